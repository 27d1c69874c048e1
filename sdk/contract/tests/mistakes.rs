//! What an author is told about common mistakes, word for word.
//!
//! After a deliberate change of a message: `TRYBUILD=overwrite cargo test -p entente-contract --test mistakes`.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
