using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Batches;

/// <summary>Is told a layer's queries of a batch.</summary>
/// <param name="queries">[rows, heads, dim], rotated.</param>
internal delegate void LayerCapture(Batch batch, int layer, NativeView queries);

/// <summary>Changes a layer's queries of a batch before anybody attends.</summary>
/// <param name="queries">[rows, heads, dim], rotated.</param>
/// <param name="isForeseen">Whether they are a guess, made before the layer is computed.</param>
internal delegate void QueryChange(Batch batch, int layer, NativeView queries, bool isForeseen);
