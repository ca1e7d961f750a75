//! A grammar of the rows of receipts, invoices and forms.

use super::words::{self, Words};
use crate::dice::Dice;

const CURRENCIES: [&str; 10] = [
    "$", "RM", "RM ", "€", "£", "€ ", "USD ", "EUR ", "$ ", "MYR ",
];
const TOTALS: [&str; 24] = [
    "Total",
    "Subtotal",
    "Sub Total",
    "Grand Total",
    "Total Due",
    "Total Amount",
    "Cash",
    "Change",
    "Change Due",
    "Balance",
    "Tax",
    "VAT",
    "GST",
    "Rounding Adj",
    "Rounded Total (RM)",
    "Discount",
    "Net Total",
    "Service Charge",
    "Amount Paid",
    "Tip",
    "Total (Incl. GST)",
    "Total Sales (Excl GST)",
    "Deposit",
    "Credit Card",
];
const TITLES: [&str; 28] = [
    "TAX INVOICE",
    "RECEIPT",
    "Thank You",
    "THANK YOU PLEASE COME AGAIN",
    "*** THANK YOU ***",
    "Invoice No",
    "Cashier",
    "Qty",
    "Description",
    "Amount",
    "Price",
    "Item",
    "U/Price",
    "GST Summary",
    "Customer Copy",
    "Table",
    "Order No.",
    "Goods sold are not returnable",
    "Please keep this receipt",
    "Opening hours",
    "Page",
    "Date",
    "Time",
    "Counter",
    "Member",
    "Points earned",
    "Approval Code",
    "Terminal ID",
];
const SHORT: [&str; 36] = [
    "1", "0", "7", "x", "X", "SR", "ZR", "S", "Z", "RM", "$", "€", "£", "%", "#", "@", ":", "-",
    "*", "No", "Kg", "pcs", "GST", "TAX", "Qty", "PM", "AM", "1x", "2 x", "A4", "I", "l", "II",
    "iv", "&", "of",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const STREETS: [&str; 14] = [
    "Street", "St.", "Road", "Rd", "Avenue", "Ave.", "Lane", "Drive", "Park", "Square", "Jalan",
    "Taman", "straße", "Blvd",
];
const COMPANIES: [&str; 10] = [
    "SDN BHD",
    "Sdn. Bhd.",
    "Ltd.",
    "LTD",
    "Inc.",
    "GmbH",
    "LLC",
    "Co.",
    "& Sons",
    "PLC",
];
const UNITS: [&str; 16] = [
    "g", "kg", "KG", "ml", "ML", "L", "l", "cm", "mm", "m", "pcs", "PCS", "oz", "lb", "%", "°C",
];

/// A row.
pub(crate) fn row(dice: &mut Dice, words: &Words) -> String {
    match dice.below(19) {
        0 | 1 => price(dice),
        2 => format!("{} {}", date(dice), time(dice)),
        3 => date(dice),
        4 => format!(
            "{}{}",
            dice.pick(&["Tel: ", "TEL ", "Phone: ", "Fax: ", "", "Tel. No.: "]),
            phone(dice)
        ),
        5 | 6 => code(dice),
        7 | 8 => {
            let colon = dice.pick(&[" ", ": ", " : ", " - ", " = "]);
            format!("{}{colon}{}", dice.pick(&TOTALS), price(dice))
        }
        9 => quantity(dice),
        10 => format!("{} {}", item(dice, words), measure(dice)),
        11 => {
            let name = dice.pick(&[
                "GST",
                "GST ID",
                "GST Reg. No",
                "VAT No",
                "TAX ID",
                "Co. Reg No.",
                "USt-IdNr.",
            ]);
            format!(
                "{name}{}{}",
                dice.pick(&[": ", " ", " : ", " #"]),
                digits(dice.whole(6, 12), dice)
            )
        }
        12 => address(dice, words),
        13 => format!("{} {}", item(dice, words), price(dice)),
        14 => dice.pick(&TITLES).into(),
        15 => {
            let name = dice.pick(&[
                "Invoice No",
                "Receipt #",
                "Doc No.",
                "Bill No",
                "POS",
                "Order",
                "Ref",
                "Table",
                "Cashier",
            ]);
            format!(
                "{name}{}{}",
                dice.pick(&[": ", " : ", ":", " "]),
                code(dice)
            )
        }
        16 => tax_row(dice),
        17 => format!(
            "{} {} ({})",
            item(dice, words),
            dice.pick(&COMPANIES),
            code(dice)
        ),
        _ => web(dice, words),
    }
}

/// A title of a form or a greeting.
pub(crate) fn title(dice: &mut Dice) -> &'static str {
    dice.pick(&TITLES)
}

/// The name of a sum.
pub(crate) fn total(dice: &mut Dice) -> &'static str {
    dice.pick(&TOTALS)
}

/// One to three characters that stand alone in tables.
pub(super) fn short(dice: &mut Dice) -> &'static str {
    dice.pick(&SHORT)
}

/// A number as print has it.
pub(crate) fn number(dice: &mut Dice) -> String {
    match dice.below(9) {
        0 => digits(dice.whole(1, 4), dice),
        1 => digits(dice.whole(5, 13), dice),
        2 => amount(dice),
        3 => format!("{}%", small(dice)),
        4 => format!("{}.{}%", small(dice), digits(dice.whole(1, 2), dice)),
        5 => format!(
            "{}{}",
            dice.pick(&["-", "+", "#", "No. ", "~", "<"]),
            small(dice)
        ),
        6 => format!("{}/{}", dice.whole(1, 9), dice.whole(2, 99)),
        7 => format!("{}–{}", dice.whole(1, 99), dice.whole(100, 999)),
        _ => format!("{}.{}", dice.below(10), digits(dice.whole(1, 5), dice)),
    }
}

/// A price, with or without a currency.
pub(crate) fn price(dice: &mut Dice) -> String {
    let amount = amount(dice);
    match dice.uniform() {
        x if x < 0.5 => amount,
        x if x < 0.8 => format!("{}{amount}", dice.pick(&CURRENCIES)),
        x if x < 0.86 => format!("{amount} {}", dice.pick(&["€", "EUR", "RM", "USD"])),
        x if x < 0.94 => format!(
            "{amount} {}",
            dice.pick(&["SR", "S", "ZRL", "T", "Z", "*", "A"])
        ),
        _ => format!("-{amount}"),
    }
}

/// A date in one of the usual forms.
pub(crate) fn date(dice: &mut Dice) -> String {
    let (day, month) = (dice.whole(1, 28), dice.below(12));
    let year = dice.whole(1960, 2030);
    let name = MONTHS[month];
    let month = month + 1;
    let mark = dice.pick(&["/", "-", ".", "/"]);
    match dice.below(8) {
        0 | 1 => format!("{day:02}{mark}{month:02}{mark}{year}"),
        2 => format!("{day:02}{mark}{month:02}{mark}{:02}", year % 100),
        3 => format!("{year}-{month:02}-{day:02}"),
        4 => format!("{day} {name} {year}"),
        5 => format!("{} {day}, {year}", &name[..3]),
        6 => format!("{day}{mark}{month}{mark}{year}"),
        _ => format!("{day:02}-{}-{year}", &name[..3]),
    }
}

/// Goods: one to three words.
pub(crate) fn item(dice: &mut Dice, words: &Words) -> String {
    let count = dice.whole(1, 3);
    let upper = dice.chance(0.6);
    let words: Vec<String> = (0..count)
        .map(|_| match words.word(dice).filter(|_| dice.chance(0.7)) {
            Some(word) => word.to_owned(),
            None => words::pseudo(dice),
        })
        .map(|word| match upper {
            true => word.to_uppercase(),
            false => capital(&word),
        })
        .collect();
    words.join(" ")
}

fn capital(word: &str) -> String {
    let mut rest = word.chars();
    let first: String = rest
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    first + rest.as_str()
}

fn digits(count: usize, dice: &mut Dice) -> String {
    (0..count)
        .map(|_| char::from(b'0' + dice.below(10) as u8))
        .collect()
}

/// A whole number; small ones are more frequent.
fn small(dice: &mut Dice) -> usize {
    let most = [9, 99, 999][dice.below(3)];
    dice.whole(0, most)
}

fn amount(dice: &mut Dice) -> String {
    let cents = match dice.below(3) {
        0 => "00".into(),
        1 => format!("{}0", dice.below(10)),
        _ => digits(2, dice),
    };
    match dice.below(10) {
        0 => format!("{},{:03}.{cents}", dice.whole(1, 99), dice.below(1000)),
        1 => format!("{},{cents}", small(dice)),
        _ => format!("{}.{cents}", small(dice)),
    }
}

fn time(dice: &mut Dice) -> String {
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    match dice.below(4) {
        0 => format!("{hour:02}:{minute:02}"),
        1 => format!("{hour:02}:{minute:02}:{second:02}"),
        2 => format!(
            "{}:{minute:02} {}",
            hour % 12 + 1,
            dice.pick(&["AM", "PM", "am", "pm"])
        ),
        _ => format!(
            "{:02}:{minute:02}:{second:02}{}",
            hour % 12 + 1,
            dice.pick(&["AM", "PM", " AM", " PM"])
        ),
    }
}

fn phone(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => format!(
            "0{}-{} {}",
            dice.whole(1, 9),
            digits(4, dice),
            digits(4, dice)
        ),
        1 => format!(
            "+{} {} {}",
            dice.whole(1, 99),
            digits(3, dice),
            digits(7, dice)
        ),
        2 => format!(
            "({}) {}-{}",
            digits(3, dice),
            digits(3, dice),
            digits(4, dice)
        ),
        3 => format!(
            "{}-{}-{}",
            digits(3, dice),
            digits(3, dice),
            digits(4, dice)
        ),
        _ => format!("0{}", digits(dice.whole(8, 10), dice)),
    }
}

fn code(dice: &mut Dice) -> String {
    let letters = |count: usize, dice: &mut Dice| -> String {
        (0..count)
            .map(|_| char::from(b'A' + dice.below(26) as u8))
            .collect()
    };
    match dice.below(7) {
        0 => digits(dice.whole(6, 13), dice),
        1 => format!(
            "{}{}",
            letters(dice.whole(1, 3), dice),
            digits(dice.whole(3, 8), dice)
        ),
        2 => format!("{}-{}", digits(6, dice), letters(1, dice)),
        3 => format!(
            "{}/{}/{}",
            letters(2, dice),
            digits(2, dice),
            digits(5, dice)
        ),
        4 => {
            const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
            (0..dice.whole(5, 12))
                .map(|_| char::from(MIXED[dice.below(MIXED.len())]))
                .collect()
        }
        5 => format!("**** **** **** {}", digits(4, dice)),
        _ => format!("#{}", digits(dice.whole(3, 6), dice)),
    }
}

fn quantity(dice: &mut Dice) -> String {
    let (count, each) = (dice.whole(1, 20), amount(dice));
    match dice.below(6) {
        0 => format!("{count} x @ {each}"),
        1 => format!("{count} @ {each}"),
        2 => format!("{count} X {each} {}", amount(dice)),
        3 => format!("x {count} @ {each}"),
        4 => format!(
            "{count}.0 {} x {each}",
            dice.pick(&["PCS", "UNIT", "EA", "kg"])
        ),
        _ => format!("Qty: {count} {each} {}", amount(dice)),
    }
}

fn measure(dice: &mut Dice) -> String {
    let space = dice.pick(&["", " "]);
    match dice.below(3) {
        0 => format!(
            "{} x {}{space}{}",
            dice.whole(1, 24),
            dice.whole(1, 999),
            dice.pick(&UNITS)
        ),
        1 => format!(
            "{}.{}{space}{}",
            dice.below(100),
            dice.below(10),
            dice.pick(&UNITS)
        ),
        _ => format!("{}{space}{}", dice.whole(1, 999), dice.pick(&UNITS)),
    }
}

fn tax_row(dice: &mut Dice) -> String {
    let rate = dice.pick(&["0%", "6%", "7%", "10%", "19%", "20%", "6.0%", "5.5%"]);
    match dice.below(4) {
        0 => format!("{} @ {rate}", dice.pick(&["SR", "ZR", "S", "GST", "VAT"])),
        1 => format!(
            "{}({rate}) {} {}",
            dice.pick(&["SR", "S", "T1", "GST"]),
            amount(dice),
            amount(dice)
        ),
        2 => format!("GST {rate} {}", amount(dice)),
        _ => format!(
            "{} = {rate} {} {}",
            dice.pick(&["S", "A", "SR", "Z"]),
            amount(dice),
            amount(dice)
        ),
    }
}

fn address(dice: &mut Dice, words: &Words) -> String {
    let place = item(dice, words);
    match dice.below(5) {
        0 => format!("{} {place} {}", dice.whole(1, 999), dice.pick(&STREETS)),
        1 => format!(
            "No. {}, {} {place},",
            dice.whole(1, 99),
            dice.pick(&STREETS)
        ),
        2 => format!("{} {place}", digits(5, dice)),
        3 => format!("{place}, {} {}", item(dice, words), digits(5, dice)),
        _ => format!(
            "Lot {}-{}, {place} {}/{},",
            dice.whole(1, 99),
            dice.whole(1, 9),
            dice.whole(1, 30),
            dice.whole(1, 30)
        ),
    }
}

fn web(dice: &mut Dice, words: &Words) -> String {
    let mut name = item(dice, words).to_lowercase();
    name.retain(|c| c.is_ascii_alphanumeric());
    if name.is_empty() {
        name = words::pseudo(dice);
    }
    let ending = dice.pick(&["com", "com.my", "org", "net", "co.uk", "de"]);
    match dice.below(3) {
        0 => format!("www.{name}.{ending}"),
        1 => format!("{}@{name}.{ending}", words::pseudo(dice)),
        _ => format!(
            "https://{name}.{ending}/{}",
            code(dice).replace([' ', '*', '#'], "")
        ),
    }
}
