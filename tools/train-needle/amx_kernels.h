// The bf16 kernels are still to come; without them only the f32 path can be created.
#pragma once
