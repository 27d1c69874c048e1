#[entente::contract]
mod broken {
    #[storage]
    pub struct Broken {}
}

fn main() {}
