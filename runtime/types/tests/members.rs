//! Every sealer set that a group has had is found by its last state.

use entente_state::MapState;
use entente_types::{
    DecidedSet, MembersError, RulingSet, SealerEntry, SealerHistory, SealerSet, Version, sealer_set_row, sealers_hash,
    sealers_row,
};
use parity_scale_codec::Encode as _;

#[test]
fn the_history_leads_from_the_last_set_to_genesis() {
    let keys = entente_testing::keys(3);
    let genesis = entente_testing::genesis(&keys);
    let mut state = MapState::default();
    let all = |state: &MapState| {
        SealerHistory::new(state, &genesis).unwrap().map(|set| set.unwrap().from).collect::<Vec<_>>()
    };
    assert_eq!(all(&state), [0]);
    let mut entry = SealerEntry::new(DecidedSet { from: 0, hash: RulingSet::of_genesis(&genesis).hash });
    for (now, from, before, count) in [(2, 4, 0, 2), (3, 5, 4, 1), (90, 92, 5, 3)] {
        let sealers = entente_testing::members(&keys[..count]);
        entry.decide(now, DecidedSet { from, hash: sealers_hash(genesis.suite, &sealers) });
        state.0.insert(sealer_set_row(from), SealerSet { version: Version, before, sealers }.encode().into());
    }
    state.0.insert(sealers_row(), entry.encode().into());
    assert_eq!(all(&state), [92, 5, 4, 0]);
    let ruling = |height| SealerHistory::new(&state, &genesis).unwrap().ruling(height).unwrap();
    for (height, from, count) in [(0, 0, 3), (3, 0, 3), (4, 4, 2), (5, 5, 1), (91, 5, 1), (92, 92, 3)] {
        assert_eq!((ruling(height).from, ruling(height).sealers.len()), (from, count), "{height}");
    }
    // A set that is missing, and one that leads nowhere, are told.
    state.0.remove(&sealer_set_row(5));
    let told: Vec<_> = SealerHistory::new(&state, &genesis).unwrap().collect();
    assert_eq!((told.len(), &told[1]), (2, &Err(MembersError::Damaged("members/sealers/5".to_owned()))));
    let around = SealerSet { version: Version, before: 92, sealers: genesis.sealers.clone() };
    state.0.insert(sealer_set_row(92), around.encode().into());
    assert_eq!(SealerHistory::new(&state, &genesis).unwrap().count(), 1);
}
