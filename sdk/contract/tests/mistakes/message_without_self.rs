#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn ask(number: u64) -> u64 {
            number
        }
    }
}

fn main() {}
