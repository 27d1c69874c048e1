//! Plain hash functions without a domain, for what others have fixed: contracts ask for them by name.

use sha2::{Digest, Sha256};

use crate::Hash;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// BLAKE3 without a key and without a domain.
pub fn blake3(bytes: &[u8]) -> Hash {
    Hash(*::blake3::hash(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keccak256, sm3};

    fn assert_digests(hash: impl Fn(&[u8]) -> Hash, vectors: &[(&[u8], &str)]) {
        for (message, digest) in vectors {
            assert_eq!(hash(message).to_string(), format!("0x{digest}"), "{message:02x?}");
        }
    }

    #[test]
    fn sha256_is_the_standards() {
        // FIPS 180-4's examples (NIST, "Secure Hash Standard" example values), and the hash of nothing.
        assert_digests(
            sha256,
            &[
                (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
                (
                    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
                ),
                (&b"a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
            ],
        );
    }

    #[test]
    fn sm3_is_the_standards() {
        // GB/T 32905-2016, appendix A.1 and A.2.
        assert_digests(
            sm3,
            &[
                (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
                (&b"abcd".repeat(16), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
            ],
        );
    }

    #[test]
    fn keccak_is_the_teams() {
        // The Keccak team's ShortMsgKAT_256 (original padding), and Ethereum's selector of `transfer`.
        assert_digests(
            keccak256,
            &[
                (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
                (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
            ],
        );
        assert_eq!(keccak256(b"transfer(address,uint256)").0[..4], [0xa9, 0x05, 0x9c, 0xbb]);
    }

    #[test]
    fn blake3_is_the_authors() {
        // BLAKE3's test_vectors.json: input bytes 0, 1, 2, ... modulo 251.
        let input: Vec<u8> = (0..1025_u32).map(|index| (index % 251) as u8).collect();
        assert_digests(
            blake3,
            &[
                (&[], "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
                (&input[..1], "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
                (&input[..1023], "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"),
                (&input[..1024], "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
                (&input[..1025], "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
            ],
        );
    }
}
