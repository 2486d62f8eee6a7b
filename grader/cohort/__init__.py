"""Many submissions: what a place's download holds, the journal of a batch, and what is made of it."""
