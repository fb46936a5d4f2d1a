//! One call: two SIP legs, one media session, the rules of its binding, its deadlines, its facts.
