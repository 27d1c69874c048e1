#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn total_supply(&self) -> u64 {
            1
        }

        #[message]
        #[allow(non_snake_case)]
        pub fn totalSupply(&self) -> u64 {
            2
        }
    }
}

fn main() {}
