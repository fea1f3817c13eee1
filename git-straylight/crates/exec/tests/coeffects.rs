//! The laws of grades.

use proptest::prelude::*;

use straylight_exec::coeffects::{
    Access, Axis, Evidence, Exposure, Grade, Network, Paths, Repeatability, Used,
};

fn axis<L: straylight_exec::coeffects::Level + std::fmt::Debug + 'static>(
    levels: &'static [L],
) -> impl Strategy<Value = Axis<L>> {
    let level = || prop::sample::select(levels);
    let own = prop::collection::btree_map("[abc]", level(), 0..3);
    (level(), own).prop_map(|(others, own)| {
        let mut axis = Axis::all(others);
        for (name, level) in own {
            axis.set(&name, level);
        }
        axis
    })
}

fn paths() -> impl Strategy<Value = Paths<Access>> {
    let path =
        prop::collection::vec("[ab]", 0..3).prop_map(|names| format!("/{}", names.join("/")));
    let level = prop::sample::select(&[Access::None, Access::Read, Access::Write][..]);
    prop::collection::vec((path, level), 0..5).prop_map(|levels| levels.into_iter().collect())
}

fn grade() -> impl Strategy<Value = Grade> {
    const USED: &[Used] = &[Used::No, Used::Yes];
    const NETWORK: &[Network] = &[Network::Absent, Network::Replayed, Network::Live];
    const EXPOSURE: &[Exposure] = &[Exposure::MicroVm, Exposure::Namespaces, Exposure::None];
    const REPEATABILITY: &[Repeatability] = &[
        Repeatability::Reproduced,
        Repeatability::Unknown,
        Repeatability::Differs,
    ];
    (
        axis(NETWORK),
        paths(),
        axis(USED),
        axis(USED),
        prop::sample::select(USED),
        prop::sample::select(USED),
        prop::sample::select(EXPOSURE),
        prop::sample::select(REPEATABILITY),
    )
        .prop_map(
            |(network, filesystem, auth, devices, clock, randomness, exposure, repeatability)| {
                Grade {
                    network,
                    filesystem,
                    auth,
                    devices,
                    clock,
                    randomness,
                    exposure,
                    repeatability,
                }
            },
        )
}

fn need() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("clock".to_owned()),
        Just("randomness".to_owned()),
        "sandbox:(namespaces|none)",
        "network:(live|replayed):[ab]\\.example",
        "filesystem:(read|write):(/|/[ab]|/[ab]/[ab])",
        "auth:[ab]@[ab]\\.example",
        "device:/dev/[ab]",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn grades_are_a_bounded_distributive_lattice(a in grade(), b in grade(), c in grade()) {
        for (one, other) in [
            (a.join(&b), b.join(&a)),
            (a.meet(&b), b.meet(&a)),
            (a.join(&b).join(&c), a.join(&b.join(&c))),
            (a.meet(&b).meet(&c), a.meet(&b.meet(&c))),
            (a.join(&a), a.clone()),
            (a.meet(&a), a.clone()),
            (a.join(&Grade::pure()), a.clone()),
            (a.meet(&Grade::unknown()), a.clone()),
            (a.join(&a.meet(&b)), a.clone()),
            (a.meet(&a.join(&b)), a.clone()),
            (a.meet(&b.join(&c)), a.meet(&b).join(&a.meet(&c))),
            (a.join(&b.meet(&c)), a.join(&b).meet(&a.join(&c))),
        ] {
            prop_assert_eq!(one, other);
        }
        prop_assert_eq!(a.is_at_most(&b), a.join(&b) == b);
        prop_assert_eq!(a.is_at_most(&b), a.meet(&b) == a);
        prop_assert!(Grade::pure().is_at_most(&a) && a.is_at_most(&Grade::unknown()));
    }

    #[test]
    fn joining_and_meeting_are_monotone(a in grade(), more in grade(), c in grade()) {
        let b = a.join(&more);
        prop_assert!(a.join(&c).is_at_most(&b.join(&c)));
        prop_assert!(a.meet(&c).is_at_most(&b.meet(&c)));
        prop_assert!(a.minus(&c).is_at_most(&b.minus(&c)));
        prop_assert!(c.minus(&b).is_at_most(&c.minus(&a)));
    }

    #[test]
    fn a_difference_is_the_least_that_makes_up_for_it(new in grade(), old in grade(), d in grade()) {
        let least = new.minus(&old);
        prop_assert!(new.is_at_most(&old.join(&least)));
        prop_assert_eq!(least.is_at_most(&d), new.is_at_most(&old.join(&d)));
    }

    #[test]
    fn a_log_has_the_grade_of_its_parts(
        first in prop::collection::vec(need(), 0..6),
        second in prop::collection::vec(need(), 0..6),
    ) {
        let of = |needs: &[String]| Grade::of_needs(needs.iter().map(String::as_str)).unwrap();
        let whole = of(&[first.clone(), second.clone()].concat());
        prop_assert_eq!(&whole, &of(&first).join(&of(&second)));
        // One form, whatever the order and however often.
        let mut turned = [second, first].concat();
        turned.extend(turned.clone());
        turned.reverse();
        prop_assert_eq!(&of(&turned), &whole);
        prop_assert_eq!(of(&turned).needs(), whole.needs());
        prop_assert_eq!(of(&whole.needs()), whole);
    }

    #[test]
    fn what_is_discharged_was_not_exceeded(
        enforced in grade(),
        observed in grade(),
        declared in grade(),
    ) {
        let used = enforced.meet(&observed);
        let evidence = Evidence { enforced, observed };
        let beyond = evidence.beyond(&declared);
        prop_assert_eq!(beyond == Grade::pure(), used.is_at_most(&declared));
    }
}

#[test]
fn needs_are_told_from_other_texts() {
    let grade =
        Grade::of_needs(["network:live:a.example", "filesystem:read:/etc", "clock"]).unwrap();
    assert_eq!(
        grade.to_string(),
        "clock, filesystem:read:/etc, network:live:a.example"
    );
    assert_eq!(grade.filesystem.at("/etc/hosts"), Access::Read);
    assert_eq!(grade.filesystem.at("/etcetera"), Access::None);
    assert_eq!(Grade::pure().to_string(), "pure");
    for (text, reason) in [
        ("clocks", "no such kind"),
        ("clock:real", "no such kind"),
        ("network:live:", "network:live:HOST"),
        ("network:live:a b", "network:live:HOST"),
        ("filesystem:read:etc", "not absolute"),
        ("filesystem:read:/etc/../root", "shortest form"),
        ("filesystem:own:/etc", "not absolute"),
        ("auth:token", "auth:NAME@HOST"),
        ("device:kvm", "not absolute"),
        ("sandbox:docker", "`microvm`, `namespaces` or `none`"),
    ] {
        let error = text.parse::<Grade>().unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(text), "{error}");
    }
}
