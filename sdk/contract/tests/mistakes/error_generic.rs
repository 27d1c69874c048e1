#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken {
        count: Value<u64>,
    }

    #[error]
    pub enum Error<T> {
        TooMuch { limit: T },
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
