#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        lists: Map<Address, List<u64>>,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn count(&self) -> u32 {
            self.lists.at(&env::caller()).push(&1)
        }
    }
}

fn main() {}
