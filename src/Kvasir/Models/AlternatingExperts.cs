using System.Buffers.Binary;
using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>
/// Experts as folders of gpt-oss have them: rows of gate and up alternate, either of blocks of 4 bits, whose nibbles and scales are two tensors of bytes, or of
/// floats, with an input's weights for all outputs before the next one's. They are copied as plain matrices, and packed where that pays.
/// </summary>
/// <param name="reader">Of the model's other tensors.</param>
internal sealed class AlternatingExperts(WeightsReader reader, ITensorSource source, TensorNames names, ModelConfig config, WeightPacker packer)
{
    private const int BlockElements = 32;
    private const int CodeBytes = BlockElements / 2;
    private const int BlockBytes = CodeBytes + 1;

    // Rows and columns that are turned at a time, so that both sides stay in the cache.
    private const int Tile = 32;

    public (WeightMatrix[] Gate, WeightMatrix[] Up, WeightMatrix[] Down) Layer(int layer)
    {
        var (experts, own) = (config.Layers[layer].Experts!, names.Experts);
        var widening = Matrices(names.Layer(layer, own.GateUp), experts.Count, (2 * experts.Width, config.Width), parts: 2);
        return (widening[0], widening[1], Matrices(names.Layer(layer, own.Down), experts.Count, (config.Width, experts.Width), parts: 1)[0]);
    }

    // Of each expert every parts-th row makes a matrix.
    private WeightMatrix[][] Matrices(string name, int count, (int Rows, int Columns) size, int parts)
    {
        var isCoded = source.TryFindBytes($"{name}_blocks", out _);
        var (stored, scales) = isCoded ? Coded(name, count, size) : (reader.Stored(name, count, size.Columns, size.Rows), default);
        var type = isCoded ? WeightType.MXFP4 : stored.Type;
        var (rows, rowBytes) = (size.Rows / parts, WeightLayout.RowBytes(type, size.Columns));
        var buffer = Take(name, (long)count * size.Rows * rowBytes);
        var matrices = new WeightMatrix[parts][];
        for (var part = 0; part < parts; part++)
        {
            matrices[part] = new WeightMatrix[count];
            for (var i = 0; i < count; i++)
            {
                var first = ((part * (long)count) + i) * rows * rowBytes;
                matrices[part][i] = new WeightMatrix(type, rows, size.Columns, buffer.View.Slice(first, rows * rowBytes));
            }
        }

        if (isCoded)
            CopyBlocks(stored, scales, (count, size.Rows, size.Columns / BlockElements), matrices);
        else
            CopyTurned(stored, matrices);
        if (packer.TryPackAll(matrices))
            buffer.Dispose();
        else
            packer.Keep(buffer);
        return matrices;
    }

    private (StoredTensor Codes, StoredTensor Scales) Coded(string name, int count, (int Rows, int Columns) size)
    {
        if (size.Columns % BlockElements != 0)
        {
            throw new KvasirException(
                KvasirError.BadFile,
                $"{source.Path}: tensor {MessageText.Name(name)} is of rows of {size.Columns}, which are no whole blocks of {BlockElements}");
        }

        var blocks = size.Columns / BlockElements;
        return (reader.StoredBytes($"{name}_blocks", count, size.Rows, blocks, CodeBytes), reader.StoredBytes($"{name}_scales", count, size.Rows, blocks));
    }

    // A copy cannot leave memory as the pages of a file can.
    private NativeBuffer Take(string name, long bytes)
    {
        var free = ResidentMemory.AvailableBytes();
        return bytes <= free
            ? NativeBuffer.Uninitialized(bytes)
            : throw new KvasirException(
                KvasirError.Unsupported,
                $"{source.Path}: tensor {MessageText.Name(name)} has to be rearranged in {bytes} bytes of memory, and {free} are free; "
                    + "a GGUF file of the model is read where it lies");
    }

    private void CopyBlocks(StoredTensor codes, StoredTensor scales, (int Experts, int Rows, int Blocks) count, WeightMatrix[][] matrices)
    {
        Parallel.For(0, count.Experts, expert =>
        {
            var (parts, first) = (matrices.Length, expert * (long)count.Rows * count.Blocks);
            for (var row = 0; row < count.Rows; row++)
            {
                var at = first + ((long)row * count.Blocks);
                var target = matrices[row % parts][expert];
                CopyRow(
                    codes.View.Span(at * CodeBytes, count.Blocks * CodeBytes),
                    scales.View.Span(at, count.Blocks),
                    target.Data.Span(row / parts * target.RowBytes, (int)target.RowBytes));
            }
        });
        source.Release(codes);
        source.Release(scales);
    }

    // Two neighbours share a byte there; here those that are 16 apart.
    private static void CopyRow(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> scales, Span<byte> target)
    {
        for (var i = 0; i < scales.Length; i++)
        {
            var from = codes.Slice(i * CodeBytes, CodeBytes);
            var to = target.Slice(i * BlockBytes, BlockBytes);
            to[0] = scales[i];
            for (var half = 0; half < 2; half++)
            {
                var low = Nibbles(BinaryPrimitives.ReadUInt32LittleEndian(from[(half * 4)..]));
                var high = Nibbles(BinaryPrimitives.ReadUInt32LittleEndian(from[((half * 4) + 8)..]));
                BinaryPrimitives.WriteUInt64LittleEndian(to[((half * 8) + 1)..], low | (high << 4));
            }
        }
    }

    // Eight nibbles, the lowest first, a byte each.
    private static ulong Nibbles(uint packed)
    {
        ulong x = packed;
        x = (x | (x << 16)) & 0x0000FFFF0000FFFF;
        x = (x | (x << 8)) & 0x00FF00FF00FF00FF;
        return (x | (x << 4)) & 0x0F0F0F0F0F0F0F0F;
    }

    private void CopyTurned(in StoredTensor stored, WeightMatrix[][] matrices)
    {
        var (view, elementBytes) = (stored.View, (int)WeightLayout.RowBytes(stored.Type, 1));
        Parallel.For(0, matrices[0].Length, expert =>
        {
            if (elementBytes == sizeof(float))
                Turn<float>(view, matrices, expert);
            else
                Turn<ushort>(view, matrices, expert);
        });
        source.Release(stored);
    }

    private static void Turn<T>(NativeView stored, WeightMatrix[][] matrices, int expert)
        where T : unmanaged
    {
        var (parts, columns, rows) = (matrices.Length, matrices[0][expert].Columns, matrices[0][expert].Rows * matrices.Length);
        var matrixBytes = matrices[0][expert].Bytes * parts;
        var source = stored.Slice(expert * matrixBytes, matrixBytes);
        var elementBytes = matrixBytes / rows / columns;
        for (var firstRow = 0; firstRow < rows; firstRow += Tile)
        {
            for (var firstColumn = 0; firstColumn < columns; firstColumn += Tile)
            {
                for (var row = firstRow; row < Math.Min(rows, firstRow + Tile); row++)
                {
                    var target = matrices[row % parts][expert];
                    var turned = target.Data.Span<T>((row / parts * target.RowBytes) + (firstColumn * elementBytes), Math.Min(Tile, columns - firstColumn));
                    for (var i = 0; i < turned.Length; i++)
                        turned[i] = source.Span<T>((((firstColumn + i) * (long)rows) + row) * elementBytes, 1)[0];
                }
            }
        }
    }
}
