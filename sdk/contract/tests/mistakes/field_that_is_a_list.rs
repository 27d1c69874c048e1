#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        numbers: Vec<u64>,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
