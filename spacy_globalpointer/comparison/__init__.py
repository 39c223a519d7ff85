"""Systems side by side: trained with several seeds, scored and timed, in one table."""
