//! What is signed of texts and of structured data.

use alloy_dyn_abi::TypedData;
use entente_crypto::keccak256;
use entente_types::Hash;

use crate::DevError;

/// What is signed of a text (EIP-191, version 0x45).
pub fn message_digest(message: &[u8]) -> Hash {
    let head = format!("\u{19}Ethereum Signed Message:\n{}", message.len());
    keccak256(&[head.as_bytes(), message].concat())
}

/// What is signed of structured data, given as the JSON that Ethereum's tools write (EIP-712).
///
/// # Errors
/// What is wrong with it.
pub fn typed_data_digest(json: &str) -> Result<Hash, DevError> {
    let form = |error| format!("it has no `types`, `primaryType`, `domain` and `message` of EIP-712: {error}");
    let data: TypedData = serde_json::from_str(json).map_err(|error: serde_json::Error| wrong(&form(error)))?;
    let digest = data.eip712_signing_hash().map_err(|error| wrong(&error.to_string()))?;
    Ok(Hash(digest.0))
}

/// What is wrong, in words that may repeat a stranger's: not all of them.
fn wrong(words: &str) -> DevError {
    const CHARACTERS_MAX: usize = 200;
    DevError::TypedData(words.chars().take(CHARACTERS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_hashed_behind_its_length() {
        // The value that every library of Ethereum's tests itself with.
        assert_eq!(
            message_digest(b"hello world").to_string(),
            "0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"
        );
    }

    #[test]
    fn the_example_of_eip_712_is_hashed() {
        let json = r#"{
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" }
                ],
                "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
                "Mail": [
                    { "name": "from", "type": "Person" }, { "name": "to", "type": "Person" },
                    { "name": "contents", "type": "string" }
                ]
            },
            "primaryType": "Mail",
            "domain": {
                "name": "Ether Mail", "version": "1", "chainId": 1,
                "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
            },
            "message": {
                "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
                "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
                "contents": "Hello, Bob!"
            }
        }"#;
        assert_eq!(
            typed_data_digest(json).unwrap().to_string(),
            "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
        );
        let DevError::TypedData(words) = typed_data_digest("{}").unwrap_err() else { panic!("it is that") };
        assert!(words.contains("types"), "{words}");
    }
}
