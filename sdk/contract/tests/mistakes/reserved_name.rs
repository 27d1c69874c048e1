#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        count: Value<u64>,
    }

    pub struct Messages {
        inbox: u64,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
