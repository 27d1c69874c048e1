//! The keys folder: Ethereum's own test vector, files of ours, and files that mean harm.

use std::{fs, path::Path};

use entente_client::keystore::{CreateError, Keystore, OpenError, V3Error};
use entente_types::Suite;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The scrypt test vector of the Web3 Secret Storage Definition.
const VECTOR: &str = r#"{
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32, "n": 262144, "p": 8, "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3
}"#;
const VECTOR_SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

fn folder() -> (tempfile::TempDir, Keystore) {
    let folder = tempfile::tempdir().unwrap();
    let keystore = Keystore::new(folder.path().join("keys"));
    (folder, keystore)
}

/// Puts a file into the folder by hand.
fn put(keystore: &Keystore, name: &str, text: &str) {
    fs::create_dir_all(keystore.folder()).unwrap();
    fs::write(keystore.folder().join(format!("{name}.json")), text).unwrap();
}

fn fault(error: OpenError) -> V3Error {
    match error {
        OpenError::Content { source, .. } => source,
        other => panic!("{other}"),
    }
}

/// What the vector says after a change, for the right password.
fn changed(change: impl FnOnce(&mut Value)) -> V3Error {
    let (_guard, keystore) = folder();
    let mut file: Value = serde_json::from_str(VECTOR).unwrap();
    // Cheap parameters, so that only the change decides.
    file["crypto"]["kdfparams"]["n"] = json!(2);
    change(&mut file);
    put(&keystore, "x", &file.to_string());
    fault(keystore.open("x", "testpassword").unwrap_err())
}

#[test]
fn ethereums_vector_opens() {
    let (_guard, keystore) = folder();
    put(&keystore, "vector", VECTOR);
    let account = keystore.open("vector", "testpassword").unwrap();
    assert_eq!(hex::encode(account.key().to_bytes()), VECTOR_SECRET);
    assert_eq!(fault(keystore.open("vector", "testpasswort").unwrap_err()), V3Error::Password);
}

#[test]
fn what_is_created_opens_and_is_listed() {
    for (suite, name, cipher) in [(Suite::Standard, "standard", "aes-128-ctr"), (Suite::Guomi, "guomi", "sm4-128-ctr")]
    {
        let (_guard, keystore) = folder();
        assert_eq!(keystore.list().unwrap(), []);
        let account = keystore.create("alice", suite, "secret").unwrap();
        let opened = keystore.open("alice", "secret").unwrap();
        assert_eq!(opened.address(), account.address());
        assert_eq!(opened.key().suite(), suite);
        assert_eq!(opened.key().to_bytes(), account.key().to_bytes());
        assert_eq!(fault(keystore.open("alice", "other").unwrap_err()), V3Error::Password);
        put(&keystore, "broken", "{");
        put(&keystore, "NotOurs", "{}");
        let entries = keystore.list().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["alice", "broken"]);
        assert_eq!(entries[0].address, Some(account.address()));
        assert_eq!(entries[0].public_key, Some(account.key().public_key()));
        assert_eq!((entries[0].suite, &entries[0].fault), (suite, &None));
        assert!(entries[1].fault.as_ref().unwrap().contains("no keystore of version 3"));
        assert_eq!(keystore.show("alice").unwrap(), entries[0]);
        let text = fs::read_to_string(keystore.folder().join("alice.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["entente"]["suite"], name);
        assert_eq!(file["entente"]["public_key"], serde_json::to_value(account.key().public_key()).unwrap());
        assert_eq!(file["crypto"]["cipher"], cipher);
        assert_eq!(file["address"], hex::encode(account.address().0));
        assert_eq!(file["version"], 3);
    }
}

/// The form of the Guomi suite, made with gmssl (PyPI) and another scrypt.
const GUOMI: &str = include_str!("../testdata/keystore_guomi.json");

#[test]
fn a_guomi_file_made_elsewhere_opens() {
    let (_guard, keystore) = folder();
    put(&keystore, "alice", GUOMI);
    let account = keystore.open("alice", "secret").unwrap();
    assert_eq!(account.key().to_bytes(), [7; 32]);
    assert_eq!(account.key().suite(), Suite::Guomi);
}

#[test]
fn suite_and_cipher_of_a_file_belong_together() {
    let (_guard, keystore) = folder();
    for (suite, other, cipher) in [("standard", "guomi", "sm4-128-ctr"), ("guomi", "standard", "aes-128-ctr")] {
        let given = if suite == "guomi" { Suite::Guomi } else { Suite::Standard };
        keystore.import(suite, given, &[7; 32], "").unwrap();
        let mut file: Value =
            serde_json::from_str(&fs::read_to_string(keystore.folder().join(format!("{suite}.json"))).unwrap())
                .unwrap();
        file["entente"]["suite"] = json!(other);
        put(&keystore, "changed", &file.to_string());
        let error = fault(keystore.open("changed", "").unwrap_err());
        assert!(matches!(error, V3Error::Algorithm { field: "cipher", allowed, .. } if allowed == cipher), "{error}");
        // With the cipher's name changed, too, the authentication code is another's.
        file["crypto"]["cipher"] = json!(cipher);
        file["entente"]["public_key"] = Value::Null;
        put(&keystore, "changed", &file.to_string());
        assert_eq!(fault(keystore.open("changed", "").unwrap_err()), V3Error::Password);
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let (_guard, keystore) = folder();
    keystore.create("alice", Suite::Standard, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keystore.folder().join("alice.json")), 0o600);
    assert_eq!(mode(keystore.folder()), 0o700);
    assert_eq!(fs::read_dir(keystore.folder()).unwrap().count(), 1, "nothing unfinished is left behind");
}

#[test]
fn a_name_is_taken_once() {
    let (_guard, keystore) = folder();
    let first = keystore.import("alice", Suite::Standard, &[7; 32], "a").unwrap();
    let error = keystore.import("alice", Suite::Standard, &[8; 32], "a").unwrap_err();
    assert!(matches!(error, CreateError::Exists { .. }));
    assert!(error.to_string().contains("choose another name"), "{error}");
    assert_eq!(keystore.open("alice", "a").unwrap().address(), first.address());
}

#[test]
fn names_cannot_leave_the_folder() {
    let (_guard, keystore) = folder();
    for name in ["", "../x", "a/b", "Alice", "a.b", "a b", "\u{e4}", &"a".repeat(65)] {
        assert!(matches!(keystore.open(name, ""), Err(OpenError::Name(_))), "{name}");
        assert!(matches!(keystore.create(name, Suite::Standard, ""), Err(CreateError::Name(_))), "{name}");
    }
    let missing = keystore.open("bob", "").unwrap_err().to_string();
    assert!(missing.contains("make one with: entente account new bob"), "{missing}");
}

#[test]
fn secrets_that_are_no_keys_are_refused() {
    let (_guard, keystore) = folder();
    assert!(matches!(keystore.import("zero", Suite::Standard, &[0; 32], ""), Err(CreateError::Secret(_))));
    assert!(matches!(keystore.import("zero", Suite::Guomi, &[0; 32], ""), Err(CreateError::Secret(_))));
    assert!(matches!(keystore.import("much", Suite::Guomi, &[255; 32], ""), Err(CreateError::Secret(_))));
    assert_eq!(keystore.list().unwrap(), []);
}

#[test]
fn hostile_parameters_are_refused_before_memory_is_asked_for() {
    let scrypt = |n: u64, r: u64, p: u64| {
        changed(|file| {
            let parameters = &mut file["crypto"]["kdfparams"];
            (parameters["n"], parameters["r"], parameters["p"]) = (json!(n), json!(r), json!(p));
        })
    };
    for (n, r, p) in [
        (1 << 40, 8, 1),
        (1 << 63, 1 << 63, 1),
        (262_144, 9, 1),
        (2, 1, u64::MAX),
        (2, 1 << 33, 1),
        (16_384, 8, 1 << 20),
        (0, 8, 1),
        (1, 8, 1),
        (3, 8, 1),
        (16_384, 0, 1),
        (16_384, 8, 0),
    ] {
        assert_eq!(scrypt(n, r, p), V3Error::Scrypt { n, r, p });
    }
    assert!(matches!(
        changed(|file| file["crypto"]["kdfparams"]["dklen"] = json!(1_u64 << 40)),
        V3Error::Algorithm { field: "dklen", .. }
    ));
    assert!(matches!(
        changed(|file| file["crypto"]["kdfparams"]["salt"] = json!("00".repeat(65))),
        V3Error::Hexadecimal { field: "salt", .. }
    ));
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    assert_eq!(changed(|file| file["version"] = json!(1)), V3Error::Version(1));
    assert_eq!(changed(|_| ()), V3Error::Password);
    let kdf = changed(|file| file["crypto"]["kdf"] = json!("argon2id")).to_string();
    assert_eq!(kdf, "the keystore's kdf is \"argon2id\"; only scrypt or pbkdf2 is known");
    assert!(matches!(
        changed(|file| file["crypto"]["ciphertext"] = json!("00")),
        V3Error::Hexadecimal { field: "ciphertext", .. }
    ));
    assert!(matches!(changed(|file| file["crypto"] = json!(7)), V3Error::Json(_)));
    let (_guard, keystore) = folder();
    put(&keystore, "large", &" ".repeat(20_000));
    let message = keystore.open("large", "").unwrap_err().to_string();
    assert!(message.contains("large.json cannot be read") && message.contains("more than 16384 bytes"), "{message}");
}

#[test]
fn a_file_that_claims_another_address_is_refused() {
    let (_guard, keystore) = folder();
    keystore.create("alice", Suite::Standard, "").unwrap();
    let path = keystore.folder().join("alice.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["address"] = json!("00".repeat(20));
    fs::write(&path, file.to_string()).unwrap();
    let error = fault(keystore.open("alice", "").unwrap_err());
    assert!(matches!(error, V3Error::Mismatch { field: "address", .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn secrets_and_passwords_round_trip(secret in any::<[u8; 32]>(), password in "\\PC{0,20}") {
        let (_guard, keystore) = folder();
        if let Ok(account) = keystore.import("x", Suite::Standard, &secret, &password) {
            prop_assert_eq!(account.key().to_bytes(), secret);
            prop_assert_eq!(keystore.open("x", &password).unwrap().key().to_bytes(), secret);
        }
    }
}
