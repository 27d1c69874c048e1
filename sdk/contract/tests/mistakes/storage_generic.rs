#[entente::contract]
mod broken {
    use entente::prelude::*;

    #[storage]
    pub struct Broken<T> {
        count: Value<T>,
    }

    impl<T> Broken<T> {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
