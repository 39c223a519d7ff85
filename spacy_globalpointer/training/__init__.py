"""What training needs beside the components: optimizers and schedules."""
