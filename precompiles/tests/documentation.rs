//! The page is that of the tables.

#[test]
fn the_page_is_that_of_the_tables() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/native-modules.md");
    let page = entente_precompiles::documentation().expect("declarations that are right");
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        std::fs::write(&path, page).expect("writes");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/native-modules.md is not what the tables say; run ENTENTE_BLESS=1 cargo test -p entente-precompiles"
    );
}
