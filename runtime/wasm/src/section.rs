//! What a module says of itself beside its code.

use wasmparser::{Parser, Payload};

use crate::limits::ABI_SECTION_BYTES_MAX;

/// The name of the custom section that carries a module's ABI.
const ABI_SECTION: &str = "entente:abi";

/// The content of the module's section `entente:abi`. Nothing where it has none, more than one, or a larger one than
/// anybody has to read.
pub fn abi_section(module: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload.ok()?
            && section.name() == ABI_SECTION
            && found.replace(section.data()).is_some()
        {
            return None;
        }
    }
    found.filter(|section| section.len() <= ABI_SECTION_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[(&str, usize)]) -> Vec<u8> {
        let customs: String =
            sections.iter().map(|(name, length)| format!("(@custom \"{name}\" \"{}\")", "x".repeat(*length))).collect();
        wat::parse_str(format!("(module {customs} (memory (export \"memory\") 1))")).unwrap()
    }

    #[test]
    fn the_one_section_is_found() {
        assert_eq!(abi_section(&module(&[("name", 0), (ABI_SECTION, 3)])), Some(&b"xxx"[..]));
        for sections in [
            &[][..],
            &[("other", 3)],
            &[(ABI_SECTION, 3), (ABI_SECTION, 3)],
            &[(ABI_SECTION, ABI_SECTION_BYTES_MAX + 1)],
        ] {
            assert_eq!(abi_section(&module(sections)), None);
        }
        assert_eq!(abi_section(b"no module"), None);
        let whole = module(&[(ABI_SECTION, 3)]);
        assert_eq!(abi_section(&whole[..whole.len() - 1]), None);
    }
}
