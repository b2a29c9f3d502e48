"""How the gate's scores were learnt: frames spoilt on purpose, measured and read, and curves fitted to the misreads."""
