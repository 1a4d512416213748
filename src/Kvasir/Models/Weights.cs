using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;
using Kvasir.Synthetic;

namespace Kvasir.Models;

/// <summary>
/// The weights of a model. Matrices stay where the file is mapped, or are packed for this machine's kernels; norms and biases are decoded.
/// Owns the container that they lie in: disposing the weights closes it at once, or when the step ends that an engine is computing with them. A matrix that was
/// taken out before is not to be read afterwards.
/// </summary>
public sealed class Weights : IDisposable
{
    private readonly UseCount _uses = new();
    private readonly WeightMatrix _embedding;
    private readonly WeightMatrix _output;
    private readonly LayerWeights[] _layers;
    private readonly ITensorSource _source;
    private readonly WeightPacker _packer;
    private readonly LowRankValues? _lowRank;
    private readonly Lazy<string> _fingerprint;

    private Weights(
        ITensorSource source, WeightPacker packer, LowRankValues? lowRank, TensorNames names, ModelConfig config, Action<double>? progress)
    {
        (_source, _packer, _lowRank) = (source, packer, lowRank);
        var reader = new WeightsReader(source, names, config, packer, lowRank);
        _embedding = reader.Embedding();
        _output = reader.Output();
        OutputNorm = reader.OutputNorm();
        var layers = new List<LayerWeights>();
        for (var i = 0; i < config.LayerCount; i++)
        {
            layers.Add(reader.Layer(i));
            progress?.Invoke((i + 1.0) / config.LayerCount);
        }

        _layers = [.. layers];
        reader.RequireAllRead();
        _fingerprint = new Lazy<string>(() => ModelFingerprint.Of(source, config));
        (Bytes, ParameterCount) = (reader.Bytes, reader.ParameterCount);
        StepBytes = _output.Bytes;
        foreach (var layer in _layers)
            StepBytes += layer.MatrixBytes;
    }

    /// <summary>[VocabularySize, Width].</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightMatrix Embedding => Open(_embedding);

    /// <summary>[VocabularySize, Width]: the embedding itself where the model ties both.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightMatrix Output => Open(_output);

    /// <summary>[Width].</summary>
    public float[] OutputNorm { get; }

    /// <summary>From the embedding to the output.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public LayerWeights[] Layers => Open(_layers);

    /// <summary>Bytes of all tensors as stored.</summary>
    public long Bytes { get; }

    /// <summary>Numbers of all tensors.</summary>
    public long ParameterCount { get; }

    /// <summary>
    /// Bytes of the matrices that were packed or made of others, whose stored bytes are not kept in memory; 0 when all are read where they lie.
    /// </summary>
    public long PackedBytes => _packer.Bytes + (_lowRank?.Bytes ?? 0);

    /// <summary>Bytes of the matrices that every step reads whole: all layers and the output, but of the embedding only rows.</summary>
    public long StepBytes { get; }

    /// <summary>Takes over the file: disposing the weights closes it. Where this throws, the file stays the caller's.</summary>
    /// <exception cref="KvasirException">A tensor is missing, has another shape than the configuration, or has no place in it.</exception>
    public static Weights Load(Gguf file, ModelConfig config, ModelOptions? options = null) =>
        Load(file, ModelFamilies.GgufNames(config.Architecture), config, options);

    /// <inheritdoc cref="Load(Gguf, ModelConfig, ModelOptions)"/>
    public static Weights Load(Safetensors files, ModelConfig config, ModelOptions? options = null) =>
        Load(files, ModelFamilies.FolderNames(config.Architecture).In(files), config, options);

    /// <summary>Weights that lie in no file; the source is owned from now on.</summary>
    internal static Weights Load(SyntheticTensors tensors, ModelConfig config, ModelOptions? options = null) =>
        Load(tensors, ModelFamilies.GgufNames(config.Architecture), config, options);

    /// <summary>As <see cref="ModelFingerprint"/> says; computed when it is first asked for, by somebody who has entered.</summary>
    internal string Fingerprint => _fingerprint.Value;

    /// <summary>Whether somebody has disposed them.</summary>
    internal bool IsDisposed => _uses.IsClosed;

    /// <summary>Asks the system to read the files into memory now instead of at first use. Returns at once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public void ReadAhead() => Open(_source).ReadAhead();

    public void Dispose()
    {
        if (_uses.Close())
            Free();
    }

    /// <summary>Keeps the matrices where they are until <see cref="Leave"/>. False when they are disposed.</summary>
    internal bool TryEnter() => _uses.TryEnter();

    internal void Leave()
    {
        if (_uses.Leave())
            Free();
    }

    private T Open<T>(T part)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return part;
    }

    private void Free()
    {
        _packer.Dispose();
        _lowRank?.Dispose();
        _source.Dispose();
    }

    private static Weights Load(ITensorSource source, TensorNames names, ModelConfig config, ModelOptions? options)
    {
        var packer = new WeightPacker((options ?? new ModelOptions()).Repack);
        var lowRank = config.ValueDim == config.HeadDim ? null : new LowRankValues(config.HeadDim, config.ValueDim);
        if (packer.IsEnabled)
            source.ReadAhead();
        try
        {
            return new Weights(source, packer, lowRank, names, config, options?.Progress);
        }
        catch
        {
            packer.Dispose();
            lowRank?.Dispose();
            throw;
        }
    }
}
