using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>Finds the experts of a layer however a container has them, each as a plain matrix.</summary>
/// <param name="reader">Of the model's other tensors.</param>
/// <param name="packer">Packs all of a layer's matrices of one kind, or none of them.</param>
internal sealed class ExpertWeightsReader(WeightsReader reader, ITensorSource source, TensorNames names, ModelConfig config, WeightPacker packer)
{
    public ExpertWeights Layer(int layer)
    {
        var (experts, own) = (config.Layers[layer].Experts!, names.Experts);
        // Who saves a model by way of a newer library may have spelled it as that does by itself.
        if (!source.TryFind(names.Layer(layer, own.Router), out _) && source.TryFind(names.Layer(layer, ExpertNames.HuggingFace.Router), out _))
            own = ExpertNames.HuggingFace;
        var (gate, up, down) = own.Alternates ? new AlternatingExperts(reader, source, names, config, packer).Layer(layer) : Apart(layer, own, experts);
        var (routerName, (gateName, upName, downName)) = (names.Layer(layer, own.Router), (own.Gate, own.Up, own.Down));
        var alternating = own.Alternates ? Biases(own.GateUp, 2 * experts.Width) : null;
        return new ExpertWeights
        {
            Router = reader.Stored(routerName, experts.Count, config.Width).Matrix,
            RouterBias = experts.HasBiases ? reader.Vectors(ExpertNames.Bias(routerName), 1, experts.Count) : null,
            GateBias = alternating is null ? Biases(gateName, experts.Width) : EverySecond(alternating, 0),
            UpBias = alternating is null ? Biases(upName, experts.Width) : EverySecond(alternating, 1),
            DownBias = Biases(downName, config.Width),
            OutputScales = experts.HasOutputScales ? reader.Vectors(names.Layer(layer, own.OutputScales), 1, experts.Count) : null,
            Norms = experts.HasOwnNorms ? Norms(layer, own) : null,
            Gate = gate,
            Up = up,
            Down = down,
        };

        float[]? Biases(string matrices, int outputs) =>
            experts.HasBiases ? reader.Vectors(names.Layer(layer, ExpertNames.Bias(matrices)), experts.Count, outputs) : null;
    }

    // The router's scale is a norm's weights, but for what it is divided by.
    private ExpertNorms Norms(int layer, ExpertNames own)
    {
        var router = reader.Vectors(names.Layer(layer, own.RouterScale), 1, config.Width);
        VectorMath.Scale(router, (float)(1 / Math.Sqrt(config.Width)));
        return new ExpertNorms(router, Norm(own.InputNorm), Norm(own.OutputNorm), Norm(own.SharedOutputNorm));

        float[] Norm(string name) => reader.Norm(names.Layer(layer, name), config.Width);
    }

    private (WeightMatrix[] Gate, WeightMatrix[] Up, WeightMatrix[] Down) Apart(int layer, ExpertNames own, ExpertShape experts)
    {
        var (gate, up) = Widening(layer, own, experts);
        return (gate, up, Matrices(layer, (own.Down, own.OneDown), experts.Count, config.Width, experts.Width));
    }

    private static float[] EverySecond(float[] values, int first)
    {
        var every = new float[values.Length / 2];
        for (var i = 0; i < every.Length; i++)
            every[i] = values[(2 * i) + first];
        return every;
    }

    private (WeightMatrix[] Gate, WeightMatrix[] Up) Widening(int layer, ExpertNames own, ExpertShape experts)
    {
        if (!source.TryFind(names.Layer(layer, own.GateUp), out _))
        {
            return (Matrices(layer, (own.Gate, own.OneGate), experts.Count, experts.Width, config.Width),
                Matrices(layer, (own.Up, own.OneUp), experts.Count, experts.Width, config.Width));
        }

        var stored = reader.Stored(names.Layer(layer, own.GateUp), experts.Count, 2 * experts.Width, config.Width);
        var (gate, up) = (new WeightMatrix[experts.Count], new WeightMatrix[experts.Count]);
        for (var i = 0; i < experts.Count; i++)
        {
            gate[i] = Part(stored, 2 * i, experts.Width, config.Width);
            up[i] = Part(stored, (2 * i) + 1, experts.Width, config.Width);
        }

        // Both, or the tensor stays.
        if (packer.TryPackAll(gate, up))
            source.Release(stored);
        return (gate, up);
    }

    private WeightMatrix[] Matrices(int layer, (string All, string One) name, int count, int rows, int columns)
    {
        var matrices = new WeightMatrix[count];
        var tensors = new List<StoredTensor>();
        if (source.TryFind(names.Layer(layer, ExpertNames.Of(name.One, 0)), out _))
        {
            for (var i = 0; i < count; i++)
            {
                var (stored, matrix) = reader.Stored(names.Layer(layer, ExpertNames.Of(name.One, i)), rows, columns);
                tensors.Add(stored);
                matrices[i] = matrix;
            }
        }
        else
        {
            tensors.Add(reader.Stored(names.Layer(layer, name.All), count, rows, columns));
            for (var i = 0; i < count; i++)
                matrices[i] = Part(tensors[0], i, rows, columns);
        }

        if (packer.TryPackAll(matrices))
        {
            foreach (var stored in tensors)
                source.Release(stored);
        }

        return matrices;
    }

    private static WeightMatrix Part(in StoredTensor stored, int index, int rows, int columns)
    {
        var bytes = rows * WeightLayout.RowBytes(stored.Type, columns);
        return new WeightMatrix(stored.Type, rows, columns, stored.View.Slice(index * bytes, bytes));
    }
}
