#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        count: Value<u64>,
    }

    #[error]
    pub struct Error {
        limit: u64,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
