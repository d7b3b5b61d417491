"""Operations: what carries out the verbs that write, each inside one transaction."""
