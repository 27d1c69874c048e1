#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[constructor]
        pub fn another(&mut self) {}
    }
}

fn main() {}
