//! What was meant by a name that is nearly another one.

use crate::limits::ABI_NAME_BYTES_MAX;

/// The item whose name is spelt most like this one, if any is spelt nearly so.
pub(super) fn nearest<'a, T>(
    name: &str,
    items: impl IntoIterator<Item = &'a T>,
    name_of: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    let wanted = plain(name);
    let distances = items.into_iter().map(|item| (distance(&wanted, &plain(name_of(item))), item));
    let (distance, item) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may differ: more are another word.
    (distance <= wanted.len().max(3) / 3).then_some(item)
}

/// A name's letters without what Rust and Solidity write differently.
fn plain(name: &str) -> Vec<char> {
    let name = name.split('(').next().unwrap_or_default();
    let letters = name.chars().take(ABI_NAME_BYTES_MAX).filter(|letter| *letter != '_');
    letters.flat_map(char::to_lowercase).collect()
}

/// How many letters must be put in, taken out or replaced to make one of the other (Levenshtein's distance).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        for (other, above_next) in to.iter().zip(above.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = *above_next;
            left = replaced.min(left + 1).min(diagonal + 1);
            *above_next = left;
        }
        if let Some(first) = above.first_mut() {
            *first = row + 1;
        }
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn distances_are_levenshteins() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("ab", "ba", 2),
        ];
        for (from, to, expected) in cases {
            assert_eq!(distance(&letters(from), &letters(to)), expected, "{from} {to}");
        }
    }
}
