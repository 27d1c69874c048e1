#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&mut self) -> u64 {
            1
        }
    }
}

fn main() {}
