//! A register of assets: each has a title, a document, an owner, and the history of who owned it.
//!
//! It owns who holds what. It never decides what a document is worth: where the register has a notary, an asset is
//! registered only with a document that the notary, another contract, calls notarised.

#![cfg_attr(target_arch = "wasm32", no_std)]

use entente::Hash32;

/// The contract.
#[entente::contract]
pub mod asset {
    use entente::prelude::*;

    use super::Notary;

    /// How many entries one answer lists at most.
    pub const PAGE_MAX: u32 = 100;
    /// How many bytes a title has at most.
    pub const TITLE_LENGTH_MAX: usize = 200;

    /// The contract's rows.
    #[storage]
    pub struct Register {
        registrar: Value<Address>,
        notary: Value<Address>,
        assets: Map<Hash32, Asset>,
        /// What each account holds; the order changes when something leaves.
        holdings: Map<Address, List<Hash32>>,
    }

    /// One asset.
    #[storage_item]
    pub struct Asset {
        owner: Value<Address>,
        title: Value<String>,
        document: Value<Hash32>,
        /// Its place in its owner's holdings.
        place: Value<u32>,
        /// Who has owned it, and since which block each.
        history: List<(Address, u64)>,
    }

    /// An asset came into the register.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Registered {
        /// The asset.
        #[indexed]
        pub id: Hash32,
        /// Whose it is.
        #[indexed]
        pub owner: Address,
        /// The hash of its document.
        pub document: Hash32,
        /// What it is called.
        pub title: String,
    }

    /// An asset has another owner.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Transferred {
        /// The asset.
        #[indexed]
        pub id: Hash32,
        /// Whose it was.
        #[indexed]
        pub from: Address,
        /// Whose it is.
        #[indexed]
        pub to: Address,
    }

    /// Why a message is refused.
    #[error]
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Error {
        /// The caller is not the registrar.
        NotRegistrar {
            /// The caller.
            account: Address,
        },
        /// The asset is in the register already.
        AlreadyRegistered {
            /// The asset.
            id: Hash32,
        },
        /// The asset is not in the register.
        UnknownAsset {
            /// The asset.
            id: Hash32,
        },
        /// The caller does not own the asset.
        NotOwner {
            /// The asset.
            id: Hash32,
            /// The caller.
            account: Address,
        },
        /// Nobody is there to own the asset.
        BadOwner {
            /// The address.
            account: Address,
        },
        /// The title is empty or too long.
        BadTitle {
            /// Its bytes.
            length: u64,
            /// How many it may have.
            limit: u64,
        },
        /// The notary does not call the document notarised.
        NotNotarised {
            /// The hash of the document.
            document: Hash32,
        },
        /// The notary does not answer as one.
        NotaryFailed {
            /// The notary.
            notary: Address,
        },
    }

    impl Register {
        /// An empty register, kept by the deployer. The notary is a contract with `isNotarised(bytes32)`, such as
        /// `evidence`; the zero address means that any document will do.
        #[constructor]
        pub fn new(&mut self, notary: Address) {
            self.registrar.set(&env::caller());
            if !notary.is_zero() {
                self.notary.set(&notary);
            }
        }

        /// Brings an asset into the register.
        #[message]
        pub fn register(&mut self, id: Hash32, owner: Address, title: String, document: Hash32) -> Result<(), Error> {
            let account = env::caller();
            if account != self.registrar.get() {
                return Err(Error::NotRegistrar { account });
            }
            if owner.is_zero() {
                return Err(Error::BadOwner { account: owner });
            }
            if title.is_empty() || title.len() > TITLE_LENGTH_MAX {
                return Err(Error::BadTitle { length: title.len() as u64, limit: TITLE_LENGTH_MAX as u64 });
            }
            self.check_document(document)?;
            let mut asset = self.assets.at_mut(&id);
            if asset.owner.exists() {
                return Err(Error::AlreadyRegistered { id });
            }
            asset.title.set(&title);
            asset.document.set(&document);
            self.give(id, owner);
            Registered { id, owner, document, title }.emit();
            Ok(())
        }

        /// Gives an asset of the caller to somebody else.
        #[message]
        pub fn transfer(&mut self, id: Hash32, to: Address) -> Result<(), Error> {
            let from = env::caller();
            if self.owner(id)? != from {
                return Err(Error::NotOwner { id, account: from });
            }
            if to.is_zero() || to == from {
                return Err(Error::BadOwner { account: to });
            }
            self.take(id, from);
            self.give(id, to);
            Transferred { id, from, to }.emit();
            Ok(())
        }

        /// Who owns an asset.
        #[message]
        pub fn owner_of(&self, id: Hash32) -> Result<Address, Error> {
            self.owner(id)
        }

        /// An asset's owner, title and document.
        #[message]
        pub fn asset(&self, id: Hash32) -> Result<(Address, String, Hash32), Error> {
            let owner = self.owner(id)?;
            let asset = self.assets.at(&id);
            Ok((owner, asset.title.get(), asset.document.get()))
        }

        /// How many owners an asset has had, the present one among them.
        #[message]
        pub fn history_length(&self, id: Hash32) -> u32 {
            self.assets.at(&id).history.len()
        }

        /// Who has owned an asset, and since which block each: from a place on, the oldest first, at most 100.
        #[message]
        pub fn history(&self, id: Hash32, start: u32, count_max: u32) -> Vec<(Address, u64)> {
            self.assets.at(&id).history.page(start, count_max.min(PAGE_MAX))
        }

        /// How many assets an account holds.
        #[message]
        pub fn holdings_count(&self, owner: Address) -> u32 {
            self.holdings.at(&owner).len()
        }

        /// The assets that an account holds, from a place on, at most 100.
        #[message]
        pub fn holdings(&self, owner: Address, start: u32, count_max: u32) -> Vec<Hash32> {
            self.holdings.at(&owner).page(start, count_max.min(PAGE_MAX))
        }

        fn owner(&self, id: Hash32) -> Result<Address, Error> {
            self.assets.at(&id).owner.find().ok_or(Error::UnknownAsset { id })
        }

        fn check_document(&self, document: Hash32) -> Result<(), Error> {
            let Some(notary) = self.notary.find() else { return Ok(()) };
            match Notary::at(notary).is_notarised(document) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Error::NotNotarised { document }),
                Err(_) => Err(Error::NotaryFailed { notary }),
            }
        }

        fn give(&mut self, id: Hash32, to: Address) {
            let place = self.holdings.at_mut(&to).push(&id);
            let mut asset = self.assets.at_mut(&id);
            asset.owner.set(&to);
            asset.place.set(&place);
            asset.history.push(&(to, env::block_number()));
        }

        /// Takes an asset out of its owner's holdings: what was last there comes into its place.
        fn take(&mut self, id: Hash32, from: Address) {
            let place = self.assets.at(&id).place.get();
            let mut holdings = self.holdings.at_mut(&from);
            holdings.swap_remove(place);
            if let Some(moved) = holdings.get(place) {
                self.assets.at_mut(&moved).place.set(&place);
            }
        }
    }
}

/// What a register asks of its notary.
#[entente::interface]
pub trait Notary {
    /// Whether the document of this hash is notarised.
    fn is_notarised(&self, hash: Hash32) -> bool;
}
