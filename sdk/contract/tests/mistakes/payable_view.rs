#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        count: Value<u64>,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        #[payable]
        pub fn ask(&self) -> u64 {
            1
        }
    }
}

fn main() {}
