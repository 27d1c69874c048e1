#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {
        count: u64,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
