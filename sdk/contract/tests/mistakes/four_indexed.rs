#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}

    #[event]
    pub struct Crowded {
        #[indexed]
        a: u8,
        #[indexed]
        b: u8,
        #[indexed]
        c: u8,
        #[indexed]
        d: u8,
    }

    impl Broken {
        #[constructor]
        pub fn new(&mut self) {}
    }
}

fn main() {}
