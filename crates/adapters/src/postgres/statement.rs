//! Statements that are put together from what a batch needs: everything in one round trip, and nothing that has no rows, for
//! every part of a statement costs time to set up. Rows come as arrays, one for each column, and are made by `unnest` in the
//! list of what is selected: in `FROM`, each column of each row would go through a store of its own.

/// The statement of these parts, in their order, with an answer. A part is a list of common table expressions, with
/// parameters that are numbered from 1.
pub(super) fn statement<'a>(parts: impl IntoIterator<Item = &'a str>, answer: &str) -> String {
    let mut sql = String::new();
    let mut before = 0;
    for part in parts {
        sql.push_str(if sql.is_empty() { "WITH " } else { ",\n" });
        before = shift(part.trim_end(), before, &mut sql);
    }
    sql.push('\n');
    sql.push_str(answer);
    sql
}

/// Adds `part` to `sql`, with numbers of parameters that are `by` higher; returns the highest one.
fn shift(part: &str, by: usize, sql: &mut String) -> usize {
    let mut highest = by;
    let mut pieces = part.split('$');
    sql.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let end = piece
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(piece.len());
        let (number, rest) = piece.split_at(end);
        let number = number.parse::<usize>().unwrap_or_default() + by;
        highest = highest.max(number);
        sql.push('$');
        sql.push_str(&number.to_string());
        sql.push_str(rest);
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_on_from_part_to_part() {
        let sql = statement(
            ["a AS ($1, $2)\n", "b AS ($2::text, $1)\n", "c AS ($1)\n"],
            "SELECT 1",
        );

        assert_eq!(
            sql,
            "WITH a AS ($1, $2),\nb AS ($4::text, $3),\nc AS ($5)\nSELECT 1"
        );
    }
}
