"""What people may ask of their data: forgetting, restriction, holds, copies."""
