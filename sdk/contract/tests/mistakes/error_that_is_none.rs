#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    pub struct Unmarked;

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn ask(&self) -> Result<u64, Unmarked> {
            Err(Unmarked)
        }
    }
}

fn main() {}
