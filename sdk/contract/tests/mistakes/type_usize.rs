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
        pub fn ask(&self, index: usize) -> u64 {
            1
        }
    }
}

fn main() {}
