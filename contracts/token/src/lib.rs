//! An ERC-20 token whose transfers between different accounts touch nothing in common.
//!
//! It owns balances and allowances. It never writes a row that every transfer would share: the total supply is
//! written once, by the constructor.

#![cfg_attr(target_arch = "wasm32", no_std)]

/// The token.
#[entente::contract]
pub mod token {
    use entente::prelude::*;

    /// One billion tokens of 18 decimals.
    pub const SUPPLY: U256 = U256::from_u128(1_000_000_000 * 10_u128.pow(18));

    /// The token's rows.
    #[storage]
    pub struct Token {
        total_supply: Value<U256>,
        balances: Map<Address, U256>,
        allowances: Map<(Address, Address), U256>,
    }

    /// Tokens moved.
    #[event]
    pub struct Transfer {
        /// Whose they were; the zero address where they were made.
        #[indexed]
        pub from: Address,
        /// Whose they are.
        #[indexed]
        pub to: Address,
        /// How many.
        pub value: U256,
    }

    /// An owner lets a spender move tokens.
    #[event]
    pub struct Approval {
        /// Whose tokens.
        #[indexed]
        pub owner: Address,
        /// Who may move them.
        #[indexed]
        pub spender: Address,
        /// How many in all, from now on.
        pub value: U256,
    }

    /// Why a message is refused; the errors of ERC-6093.
    #[error]
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Error {
        /// The sender has less than it wants to move.
        ERC20InsufficientBalance {
            /// Whose balance.
            sender: Address,
            /// What it holds.
            balance: U256,
            /// What it would need.
            needed: U256,
        },
        /// The spender may move less than it wants to.
        ERC20InsufficientAllowance {
            /// Who wants to move tokens.
            spender: Address,
            /// What it may move.
            allowance: U256,
            /// What it would need.
            needed: U256,
        },
        /// Tokens cannot go to the zero address.
        ERC20InvalidReceiver {
            /// The address.
            receiver: Address,
        },
        /// The zero address cannot be given an allowance.
        ERC20InvalidSpender {
            /// The address.
            spender: Address,
        },
    }

    impl Token {
        /// Mints the whole supply to the deployer.
        #[constructor]
        pub fn new(&mut self) {
            let deployer = env::caller();
            self.total_supply.set(&SUPPLY);
            self.balances.set(&deployer, &SUPPLY);
            Transfer { from: Address::ZERO, to: deployer, value: SUPPLY }.emit();
        }

        /// The token's name.
        #[message]
        pub fn name(&self) -> &'static str {
            "Entente Token"
        }

        /// Its symbol.
        #[message]
        pub fn symbol(&self) -> &'static str {
            "ENT"
        }

        /// How many decimals a display shows.
        #[message]
        pub fn decimals(&self) -> u8 {
            18
        }

        /// How many tokens there are.
        #[message]
        pub fn total_supply(&self) -> U256 {
            self.total_supply.get()
        }

        /// How many tokens `owner` holds.
        #[message]
        pub fn balance_of(&self, owner: Address) -> U256 {
            self.balances.get(&owner)
        }

        /// Moves tokens of the caller.
        #[message]
        pub fn transfer(&mut self, to: Address, value: U256) -> Result<bool, Error> {
            self.move_tokens(env::caller(), to, value)?;
            Ok(true)
        }

        /// How many tokens of `owner` `spender` may still move.
        #[message]
        pub fn allowance(&self, owner: Address, spender: Address) -> U256 {
            self.allowances.get(&(owner, spender))
        }

        /// Lets `spender` move tokens of the caller: `value` in all, whatever it was before.
        #[message]
        pub fn approve(&mut self, spender: Address, value: U256) -> Result<bool, Error> {
            if spender.is_zero() {
                return Err(Error::ERC20InvalidSpender { spender });
            }
            let owner = env::caller();
            self.allowances.set(&(owner, spender), &value);
            Approval { owner, spender, value }.emit();
            Ok(true)
        }

        /// Moves tokens of `from`, within what it allowed the caller; an allowance of 2^256 - 1 never shrinks.
        #[message]
        pub fn transfer_from(&mut self, from: Address, to: Address, value: U256) -> Result<bool, Error> {
            let spender = env::caller();
            let key = (from, spender);
            let allowance = self.allowances.get(&key);
            if allowance != U256::MAX {
                let Some(rest) = allowance.checked_sub(value) else {
                    return Err(Error::ERC20InsufficientAllowance { spender, allowance, needed: value });
                };
                self.allowances.set(&key, &rest);
            }
            self.move_tokens(from, to, value)?;
            Ok(true)
        }

        fn move_tokens(&mut self, from: Address, to: Address, value: U256) -> Result<(), Error> {
            if to.is_zero() {
                return Err(Error::ERC20InvalidReceiver { receiver: to });
            }
            let balance = self.balances.get(&from);
            let Some(rest) = balance.checked_sub(value) else {
                return Err(Error::ERC20InsufficientBalance { sender: from, balance, needed: value });
            };
            // To oneself: nothing moves, and the two writes below would make tokens out of nothing.
            if from != to {
                let credited = self.balances.get(&to) + value;
                self.balances.set(&from, &rest);
                self.balances.set(&to, &credited);
            }
            Transfer { from, to, value }.emit();
            Ok(())
        }
    }
}
