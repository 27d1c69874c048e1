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
        pub fn has(&self) -> bool {
            self.lists.find(&env::caller()).is_some()
        }
    }
}

fn main() {}
