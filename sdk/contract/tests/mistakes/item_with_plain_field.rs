#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        count: Value<u64>,
    }

    #[storage_item]
    pub struct Account {
        balance: U256,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
