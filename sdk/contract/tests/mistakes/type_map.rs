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
        pub fn ask(&self) -> std::collections::HashMap<Address, u64> {
            std::collections::HashMap::new()
        }
    }
}

fn main() {}
