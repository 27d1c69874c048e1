#[entente::contract]
mod broken {
    pub struct Broken {}
}

fn main() {}
