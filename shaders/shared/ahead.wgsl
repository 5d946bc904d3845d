// Terms of a long sum that a lane asks for before it adds the first: they come from far away, and each would be
// waited for otherwise.
const AHEAD = 8u;
