#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}

        #[message]
        pub fn ask(&self, number: f64) {}
    }
}

fn main() {}
