#[entente::interface]
pub trait WithBody {
    fn total(&self) -> u64 {
        1
    }
}

#[entente::interface]
pub trait Generic<T> {
    fn total(&self) -> u64;
}

#[entente::interface]
pub trait Above: Clone {
    fn total(&self) -> u64;
}

#[entente::interface]
pub trait Created {
    #[constructor]
    fn new(&mut self);
}

#[entente::interface]
pub trait CreatedTwice {
    #[constructor]
    fn new();
    #[constructor]
    fn another();
}

#[entente::interface]
pub trait Taken {
    fn at(&self, index: u64) -> u64;
}

#[entente::interface]
pub trait Twice {
    fn total_supply(&self) -> u64;
    #[allow(non_snake_case)]
    fn totalSupply(&self) -> u64;
}

#[entente::interface]
pub trait PaidView {
    #[payable]
    fn total(&self) -> u64;
}

#[entente::interface]
pub trait Static {
    fn total() -> u64;
}

#[entente::interface]
pub trait Float {
    fn total(&self, share: f64) -> u64;
}

#[entente::error]
pub enum Failure<'a> {
    Named { name: &'a str },
}

#[entente::error]
pub enum Same {
    Empty,
    Other(u64),
}

fn main() {}
