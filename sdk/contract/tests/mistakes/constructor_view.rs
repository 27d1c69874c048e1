#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&self) {}
    }
}

fn main() {}
