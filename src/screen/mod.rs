//! Reading text that comes in: secrets, personal data, attempts to steer a model. Pure. What happens with a finding is
//! decided elsewhere.
