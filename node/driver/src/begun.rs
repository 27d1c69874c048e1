//! That a node was in a group before: noted beside its keys, where the loss of its data does not take the note along.
//!
//! A sealer whose data is gone does not know what it promised. By the note it finds out, follows the group's blocks, and
//! does not vote until that is safe (`docs/decisions/026-lost-promises.md`).

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use entente_types::GroupId;

const WORDS: &str = "This node has taken part in the group of this file's name. Where its data is lost, it follows the \
                     group's blocks and does not vote against what it may have promised. Remove this file only where every \
                     node of the group begins anew from the genesis document.\n";

/// The note of one group.
pub(crate) struct Begun(PathBuf);

impl Begun {
    pub(crate) fn of(folder: &Path, group: &GroupId) -> Self {
        Self(folder.join("keys").join(format!("begun-{group}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.0.exists()
    }

    /// Writes the note, where it is not there.
    pub(crate) fn note(&self) -> io::Result<()> {
        if self.is_noted() {
            return Ok(());
        }
        let partial = self.0.with_extension("partial");
        let mut file = File::create(&partial)?;
        file.write_all(WORDS.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, &self.0)?;
        // The name outlives a loss of power as well as the words.
        self.0.parent().map_or(Ok(()), |keys| File::open(keys)?.sync_all())
    }
}

/// What became of the data of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetAside {
    /// It lies here now.
    At(PathBuf),
    /// It was removed.
    Removed,
    /// There was none.
    None,
}

/// Takes a group's data out of a node's folder, so that the next start fetches the chain from peers, and sees to it that
/// the node does not vote against what it promised. The node must not run.
///
/// # Errors
/// A file cannot be written, moved or removed; its path stands in front of the error.
pub fn set_data_aside(folder: &Path, group: &GroupId, remove: bool) -> io::Result<SetAside> {
    let at = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let begun = Begun::of(folder, group);
    begun.note().map_err(|error| at(begun.path(), error))?;
    let data = folder.join("data").join(group.as_str());
    if !data.exists() {
        return Ok(SetAside::None);
    }
    if remove {
        fs::remove_dir_all(&data).map_err(|error| at(&data, error))?;
        return Ok(SetAside::Removed);
    }
    // No group's name has a dot.
    let names = (1_u32..).map(|number| data.with_extension(format!("aside-{number}")));
    let Some(aside) = names.into_iter().find(|path| !path.exists()) else { return Ok(SetAside::None) };
    fs::rename(&data, &aside).map_err(|error| at(&data, error))?;
    Ok(SetAside::At(aside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_set_aside_under_a_name_of_its_own_and_the_note_stays() {
        let folder = tempfile::tempdir().unwrap();
        let group = GroupId::new("group1").unwrap();
        fs::create_dir_all(folder.path().join("keys")).unwrap();
        assert_eq!(set_data_aside(folder.path(), &group, false).unwrap(), SetAside::None);
        assert!(Begun::of(folder.path(), &group).is_noted());
        let data = folder.path().join("data/group1");
        for number in 1..3 {
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("CURRENT"), [number]).unwrap();
            let SetAside::At(aside) = set_data_aside(folder.path(), &group, false).unwrap() else { panic!("it is") };
            assert_eq!(fs::read(aside.join("CURRENT")).unwrap(), [number]);
            assert!(!data.exists());
        }
        fs::create_dir_all(&data).unwrap();
        assert_eq!(set_data_aside(folder.path(), &group, true).unwrap(), SetAside::Removed);
        assert!(!data.exists() && Begun::of(folder.path(), &group).is_noted());
    }
}
