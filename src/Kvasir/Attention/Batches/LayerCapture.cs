using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Batches;

/// <summary>Is told a layer's queries of a batch.</summary>
/// <param name="queries">[rows, heads, dim], rotated.</param>
internal delegate void LayerCapture(Batch batch, int layer, NativeView queries);
