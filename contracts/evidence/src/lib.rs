//! Notarised evidence: the hash of a document is evidence once signers of enough weight vouch for it.
//!
//! It owns the hashes, who must sign each and who did. It never sees a document, and never decides who may be asked to
//! sign: whoever submits a hash names the signers, their weights and the threshold, which cannot change afterwards.

#![cfg_attr(target_arch = "wasm32", no_std)]

/// The contract.
#[entente::contract]
pub mod evidence {
    use entente::prelude::*;

    /// How many signers one evidence has at most: [`Evidence::submit`] writes two rows for each.
    pub const SIGNERS_MAX: u32 = 32;
    /// How many hashes one answer lists at most.
    pub const PAGE_MAX: u32 = 100;

    /// The contract's rows.
    #[storage]
    pub struct Evidence {
        records: Map<Hash32, Record>,
        hashes: List<Hash32>,
    }

    /// What is known of one hash.
    #[storage_item]
    pub struct Record {
        submitter: Value<Address>,
        /// The weight that is needed.
        threshold: Value<u32>,
        /// The weight that has signed.
        signed: Value<u32>,
        /// The block in which the threshold was reached.
        notarised_in: Value<u64>,
        signers: List<Address>,
        weights: Map<Address, u32>,
        signatures: List<Address>,
        signed_in: Map<Address, u64>,
    }

    /// A hash was submitted.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Submitted {
        /// The hash.
        #[indexed]
        pub hash: Hash32,
        /// By whom.
        #[indexed]
        pub by: Address,
        /// The weight that makes it evidence.
        pub threshold: u32,
    }

    /// Somebody vouches for a hash.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Signed {
        /// The hash.
        #[indexed]
        pub hash: Hash32,
        /// Who.
        #[indexed]
        pub by: Address,
        /// The signer's weight.
        pub weight: u32,
        /// The weight of all signers so far.
        pub signed: u32,
    }

    /// Enough signers vouch for a hash: it is evidence from now on.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Notarised {
        /// The hash.
        #[indexed]
        pub hash: Hash32,
        /// The weight that has signed.
        pub signed: u32,
    }

    /// Why a message is refused.
    #[error]
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Error {
        /// The hash was submitted before.
        AlreadySubmitted {
            /// The hash.
            hash: Hash32,
        },
        /// Nobody submitted the hash.
        UnknownEvidence {
            /// The hash.
            hash: Hash32,
        },
        /// The caller is none of the hash's signers.
        NotASigner {
            /// The hash.
            hash: Hash32,
            /// The caller.
            account: Address,
        },
        /// The caller has signed before.
        AlreadySigned {
            /// The hash.
            hash: Hash32,
            /// The caller.
            account: Address,
        },
        /// There are no signers, or too many.
        SignerCount {
            /// How many there are.
            found: u64,
            /// How many there may be.
            limit: u64,
        },
        /// There is not one weight for each signer.
        WeightCount {
            /// How many signers there are.
            signers: u64,
            /// How many weights there are.
            weights: u64,
        },
        /// A signer is named twice, or is the zero address, or has no weight.
        BadSigner {
            /// The signer.
            account: Address,
        },
        /// The threshold is 0, or above what all signers weigh together.
        BadThreshold {
            /// The threshold.
            threshold: u32,
            /// The weight of all signers.
            weight: u32,
        },
    }

    impl Evidence {
        /// An empty register.
        #[constructor]
        pub fn new(&mut self) {}

        /// Submits a hash with its signers, their weights and the weight that makes it evidence.
        #[message]
        pub fn submit(
            &mut self,
            hash: Hash32,
            signers: Vec<Address>,
            weights: Vec<u32>,
            threshold: u32,
        ) -> Result<(), Error> {
            let (found, limit) = (signers.len() as u64, u64::from(SIGNERS_MAX));
            if signers.is_empty() || found > limit {
                return Err(Error::SignerCount { found, limit });
            }
            if signers.len() != weights.len() {
                return Err(Error::WeightCount { signers: found, weights: weights.len() as u64 });
            }
            let mut record = self.records.at_mut(&hash);
            if record.submitter.exists() {
                return Err(Error::AlreadySubmitted { hash });
            }
            let mut total = 0_u32;
            for (account, weight) in signers.iter().zip(&weights) {
                if account.is_zero() || *weight == 0 || record.weights.contains(account) {
                    return Err(Error::BadSigner { account: *account });
                }
                total = total.saturating_add(*weight);
                record.weights.set(account, weight);
                record.signers.push(account);
            }
            if threshold == 0 || threshold > total {
                return Err(Error::BadThreshold { threshold, weight: total });
            }
            let submitter = env::caller();
            record.submitter.set(&submitter);
            record.threshold.set(&threshold);
            self.hashes.push(&hash);
            Submitted { hash, by: submitter, threshold }.emit();
            Ok(())
        }

        /// Vouches for a hash; gives whether it is evidence now.
        #[message]
        pub fn sign(&mut self, hash: Hash32) -> Result<bool, Error> {
            let mut record = self.records.at_mut(&hash);
            let Some(threshold) = record.threshold.find() else {
                return Err(Error::UnknownEvidence { hash });
            };
            let account = env::caller();
            let Some(weight) = record.weights.find(&account) else {
                return Err(Error::NotASigner { hash, account });
            };
            if record.signed_in.contains(&account) {
                return Err(Error::AlreadySigned { hash, account });
            }
            let before = record.signed.get();
            // No more than the signers' whole weight, which fits.
            let signed = before.saturating_add(weight);
            record.signed.set(&signed);
            record.signatures.push(&account);
            record.signed_in.set(&account, &env::block_number());
            Signed { hash, by: account, weight, signed }.emit();
            if before < threshold && signed >= threshold {
                record.notarised_in.set(&env::block_number());
                Notarised { hash, signed }.emit();
            }
            Ok(signed >= threshold)
        }

        /// Whether a hash is evidence.
        #[message]
        pub fn is_notarised(&self, hash: Hash32) -> bool {
            self.records.at(&hash).notarised_in.exists()
        }

        /// What is known of a hash: who submitted it, the weight needed, the weight signed, and the block in which it
        /// became evidence (0: it is none yet).
        #[message]
        pub fn evidence(&self, hash: Hash32) -> Result<(Address, u32, u32, u64), Error> {
            let record = self.records.at(&hash);
            let Some(submitter) = record.submitter.find() else {
                return Err(Error::UnknownEvidence { hash });
            };
            Ok((submitter, record.threshold.get(), record.signed.get(), record.notarised_in.get()))
        }

        /// Who is asked to sign a hash, and what each weighs.
        #[message]
        pub fn signers(&self, hash: Hash32) -> (Vec<Address>, Vec<u32>) {
            let record = self.records.at(&hash);
            let signers = record.signers.page(0, SIGNERS_MAX);
            let weights = signers.iter().map(|signer| record.weights.get(signer)).collect();
            (signers, weights)
        }

        /// Who has signed a hash, in their order, and in which blocks.
        #[message]
        pub fn signatures(&self, hash: Hash32) -> (Vec<Address>, Vec<u64>) {
            let record = self.records.at(&hash);
            let signers = record.signatures.page(0, SIGNERS_MAX);
            let blocks = signers.iter().map(|signer| record.signed_in.get(signer)).collect();
            (signers, blocks)
        }

        /// How many hashes were submitted.
        #[message]
        pub fn count(&self) -> u32 {
            self.hashes.len()
        }

        /// The submitted hashes from a place on, the oldest first: at most 100, and at most `count_max`.
        #[message]
        pub fn list(&self, start: u32, count_max: u32) -> Vec<Hash32> {
            self.hashes.page(start, count_max.min(PAGE_MAX))
        }
    }
}
