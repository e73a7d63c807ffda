//! Hashes that Node has made, and what becomes of those that are none.

use super::*;

/// What each of these passwords became: by `bcryptjs` 3.0.3, and by `bcrypt` 6.0.0 as "$2b$" and as "$2a$".
fn by_node() -> [(String, [&'static str; 3]); 6] {
    [
        (
            "correct horse".to_owned(),
            [
                "$2b$04$Pb17o3jZEZYq1QcVwm6Ff.g7gRiyfgXBoUMgFda4kwx18WkKSfdYO",
                "$2b$04$ICTl2M284cF2y1nFDwGYOOW.dWjC0hqXTbKdINmugngP.gUc9uKdK",
                "$2a$04$eNB6tNzEc2qsbLFpSOTzAuc9ZSUeWwhIpVSlDopJe2AZLfq3WxwBy",
            ],
        ),
        (
            "pässwörd 🐴".to_owned(),
            [
                "$2b$04$maqVx2Rk705isEWI9rbLyu882OwzsxLftiTh4MGTxJBY7dbjjNQQW",
                "$2b$04$IidGiNE1AS0/CiOjfBGYguotGQ0CodoN.mTf4zDxPewdMqOuVuQWW",
                "$2a$04$c93ZEPr.BE644uDqgzh3COZar.iNZ31SZh/bIViRB6KiZUU5apYq.",
            ],
        ),
        (
            "x".repeat(72),
            [
                "$2b$04$4NlGoDWDEeWaypw/oSiPjuvUSk7y.BdCAc8xN3Qm3mhnC4NUBw/LW",
                "$2b$04$JudPFUUCo9O5.EameF8LweR88IH9SgVrzYcigWwVGfs7CJOUlBHeC",
                "$2a$04$Nn8YQvFUSOB017F1gitGhO586T4MYlore6Brq2d1k7Tx2ep8ZZ02q",
            ],
        ),
        (
            format!("{}tail-one", "x".repeat(72)),
            [
                "$2b$04$7rEH1mANyqByBw6DRbfQJOhwg7pMYB2B6oXkXtK28KtolR54KOJLG",
                "$2b$04$/CfV/WHw1m90Kn7nNAbsTuKsHNCBgzAzC5fQyk.nXhbMzTyR2cgDa",
                "$2a$04$iEYw7IfN.zjW10rbIX.OF.ShxBUOWF60a4IJTouj/r8Lk0CtAR5EC",
            ],
        ),
        (
            // 72 bytes end between two characters here.
            "é".repeat(50),
            [
                "$2b$04$q3l7YO05AEUD8eCVBeCriuVF9b1vzTAV8peTdTjnNH8NhEkrVgi12",
                "$2b$04$Xh/1Wl4CPptSkOXmQqyrieH.cZWFq5TkARgnKE5Xw7rY08ib0zSEy",
                "$2a$04$hdJoHbTrxzmlviPsTHw.jeJ.3T/hS1z3KhRpzIilYIQ0OC1qt/.na",
            ],
        ),
        (
            "z".repeat(260),
            [
                "$2b$04$yfBYDQ14UYFTxKnvJ/fxdeMxpBZ5ZKJOnjivan9.JDhVNJMBdwihu",
                "$2b$04$yOl9kY4ty.xn3DdKYw87IubK8j261t2b/H0cgdH1KbkLo.wIiqvVS",
                "$2a$04$YSatNr85T9BPVN6ZnNJIMu29PH8FSXi6JXqISEGfkP46ig9s.SOZW",
            ],
        ),
    ]
}

/// What Node's `argon2` 0.45.1 made of "correct horse": each algorithm, and one of before versions were named.
const ARGON2: [&str; 4] = [
    "$argon2id$v=19$m=1024,p=2,t=2$Z5L2X86g7c4w/1sFmtsDOQ$7HGR8jGxtcGtsk3QxnVjGnxVlZ2227gYkZLg4s6vP2c",
    "$argon2i$v=19$m=1024,p=2,t=2$aYek4fOCLTe0uzdRdMddqA$ZpQKN90A5Xt/XCMM8UJLIoSGI9AvkmoIdvqD2SmZNFs",
    "$argon2d$v=19$m=1024,p=2,t=2$1ALg2wrA3R59U/WoD+IG9w$1aGZvIHbtY1KYFFaMM+8+2rVz0YQ38BpXOdaH7sbxyk",
    "$argon2id$v=16$m=1024,p=4,t=3$pW2d4G3TPCXdvIw43rjjSw$o1OmHt5wy6JBHy7Cnbijgen197ZPH/HTS6kj3N8Gpig",
];

#[test]
fn what_node_has_hashed_is_verified_as_node_does() {
    for (password, hashes) in by_node() {
        let first = &password.as_bytes()[..password.len().min(BCRYPT_BYTES)];
        let first = String::from_utf8(first.to_vec()).unwrap();
        for hash in hashes {
            assert_eq!(Kind::of(hash), Ok(Kind::Bcrypt { cost: 4 }));
            assert!(matches(&password, hash), "{password}");
            // What is behind the end is not looked at, there as here.
            assert_eq!(matches(&format!("{password}!"), hash), password.len() >= BCRYPT_BYTES, "{password}");
            assert!(matches(&first, hash), "{password}");
            let mut shorter = first.clone();
            shorter.pop();
            assert!(!matches(&shorter, hash), "{password}");
        }
    }
    // PHP's letter for the same; Node's `bcryptjs` takes it too.
    let php = by_node()[0].1[0].replace("$2b$", "$2y$");
    assert!(matches("correct horse", &php) && !matches("wrong horse", &php));
    for hash in ARGON2 {
        Kind::of(hash).unwrap();
        assert!(matches("correct horse", hash) && !matches("wrong horse", hash), "{hash}");
    }
    let unnamed = ARGON2[3].replace("$v=16", "");
    assert_eq!(Kind::of(&unnamed), Kind::of(ARGON2[3]));
    assert!(matches("correct horse", &unnamed));
}

#[test]
fn each_limit_is_allowed_and_one_more_is_not() {
    let bcrypt = |cost: u32| Kind::of(&by_node()[0].1[0].replace("$04$", &format!("${cost:02}$")));
    for cost in [BCRYPT_COST_MIN, BCRYPT_COST_MAX] {
        assert_eq!(bcrypt(cost), Ok(Kind::Bcrypt { cost }));
    }
    for cost in [BCRYPT_COST_MIN - 1, BCRYPT_COST_MAX + 1, 31, 99] {
        assert!(bcrypt(cost).unwrap_err().contains("cost"), "{cost}");
    }
    let argon2 = |m: u32, t: u32, p: u32| {
        Kind::of(&ARGON2[0].replace("m=1024,p=2,t=2", &format!("m={m},t={t},p={p}")))
    };
    argon2(ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX, ARGON2_LANES_MAX).unwrap();
    for (m, t, p) in [
        (ARGON2_MEMORY_KIB_MAX + 1, 1, 1),
        (1024, ARGON2_PASSES_MAX + 1, 1),
        (1024, 1, ARGON2_LANES_MAX + 1),
        // Less than Argon2 itself takes.
        (7, 1, 1),
        (1024, 0, 1),
        (1024, 1, 0),
        (8, 1, 2),
    ] {
        argon2(m, t, p).unwrap_err();
    }
    let hash_of = |bytes: usize| {
        // Unpadded base64 of so many zeros.
        let output = "A".repeat((bytes * 8).div_ceil(6));
        Kind::of(&format!("$argon2id$v=19$m=1024,t=2,p=2$Z5L2X86g7c4w/1sFmtsDOQ${output}"))
    };
    hash_of(ARGON2_OUTPUT_BYTES_MIN).unwrap();
    hash_of(64).unwrap();
    hash_of(ARGON2_OUTPUT_BYTES_MIN - 1).unwrap_err();
    hash_of(65).unwrap_err();
}

#[test]
fn what_is_no_hash_is_refused_without_a_word_of_it() {
    let bcrypt = by_node()[0].1[0];
    let kinds = [
        "",
        "plain text",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "pbkdf2_sha256$600000$salt$hash",
        "$2x$04$Pb17o3jZEZYq1QcVwm6Ff.g7gRiyfgXBoUMgFda4kwx18WkKSfdYO",
        "$2$04$Pb17o3jZEZYq1QcVwm6Ff.g7gRiyfgXBoUMgFda4kwx18WkKSfdYO1",
    ];
    for hash in kinds {
        assert!(Kind::of(hash).unwrap_err().contains("is neither"), "{hash}");
    }
    let malformed = [
        &bcrypt[..59],
        &format!("{bcrypt}O"),
        &bcrypt.replace("$04$", "$4.$"),
        &bcrypt.replace("$04$", "$+4$"),
        &bcrypt.replace("$04$", "$04."),
        &bcrypt.replace('g', "!"),
        &bcrypt.replace('g', "\0"),
        &format!("$2b$04${}", "é".repeat(26) + "a"),
        "$2b$",
        "$argon2",
        "$argon2id$",
        "$argon2xy$v=19$m=1024,t=2,p=2$Z5L2X86g7c4w/1sFmtsDOQ$7HGR8jGxtcGtsk3QxnVjGnxVlZ2227gYkZLg4s6vP2c",
        "$argon2id$v=19$m=1024,t=2,p=2$Z5L2X86g7c4w/1sFmtsDOQ",
        "$argon2id$v=19$m=1024,t=2,p=2",
        &ARGON2[0].replace("v=19", "v=20"),
        &ARGON2[0].replace("m=1024,p=2,t=2", "p=2,t=2"),
        &ARGON2[0].replace("m=1024,p=2,t=2", "m=1024,p=2,t=2,x=1"),
        &ARGON2[0].replace("m=1024", "m=-1"),
        &ARGON2[0].replace("m=1024", "m=99999999999"),
        &ARGON2[0].replace("7HGR", "7H\0R"),
        &format!("{}=", ARGON2[0]),
        &format!("{}\n", ARGON2[0]),
    ];
    for hash in malformed {
        let problem = Kind::of(hash).unwrap_err();
        assert!(problem.contains("no whole"), "{hash}: {problem}");
        assert!(!matches("correct horse", hash), "{hash}");
    }
}

#[test]
fn what_is_made_alike_begins_alike() {
    assert_eq!(prefix(by_node()[0].1[0]), "$2b$04$");
    assert_eq!(prefix(ARGON2[0]), "$argon2id$v=19$m=1024,p=2,t=2$");
    assert_eq!(prefix("$argon2i$m=1024,p=2,t=2$salt$hash"), "$argon2i$m=1024,p=2,t=2$");
    for odd in ["", "hash", "$", "$2", "$$"] {
        assert!(odd.starts_with(prefix(odd)));
    }
}

#[test]
fn a_password_is_told_by_bcrypt_up_to_its_end() {
    let [bcrypt, argon2] = [by_node()[0].1[0], ARGON2[0]];
    assert!(is_told_by(&"x".repeat(BCRYPT_BYTES - 1), bcrypt));
    assert!(!is_told_by(&"x".repeat(BCRYPT_BYTES), bcrypt));
    assert!(is_told_by(&"x".repeat(800), argon2));
}
