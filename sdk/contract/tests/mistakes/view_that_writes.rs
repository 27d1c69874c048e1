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
        pub fn count(&self) -> u64 {
            self.count.set(&1);
            1
        }
    }
}

fn main() {}
