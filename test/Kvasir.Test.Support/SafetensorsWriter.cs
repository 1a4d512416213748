using System.Buffers.Binary;
using System.Text;

namespace Kvasir.Test.Support;

/// <summary>Writes safetensors files, sound ones and, through a rewritten header, damaged ones.</summary>
internal sealed class SafetensorsWriter
{
    private readonly List<(string Name, string Type, long[] Shape, byte[] Content)> _tensors = [];

    public IEnumerable<string> Names => _tensors.Select(tensor => tensor.Name);

    /// <param name="type">As the format spells it: F32, BF16, ...</param>
    /// <param name="shape">Slowest dimension first.</param>
    public SafetensorsWriter Tensor(string name, string type, long[] shape, byte[] content)
    {
        _tensors.Add((name, type, shape, content));
        return this;
    }

    /// <summary>Takes a tensor out, if it is there.</summary>
    public SafetensorsWriter Without(string name)
    {
        _tensors.RemoveAll(tensor => tensor.Name == name);
        return this;
    }

    /// <summary>Gives every tensor another name.</summary>
    public SafetensorsWriter Renamed(Func<string, string> rename)
    {
        for (var i = 0; i < _tensors.Count; i++)
            _tensors[i] = _tensors[i] with { Name = rename(_tensors[i].Name) };
        return this;
    }

    /// <summary>The tensors whose index satisfies a condition, as a file of their own.</summary>
    public SafetensorsWriter Part(Func<int, bool> holds)
    {
        var part = new SafetensorsWriter();
        for (var i = 0; i < _tensors.Count; i++)
        {
            if (holds(i))
                part._tensors.Add(_tensors[i]);
        }

        return part;
    }

    public string Header()
    {
        var header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        var offset = 0L;
        foreach (var (name, type, shape, content) in _tensors)
        {
            header.Append($",\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{offset},{offset + content.Length}]}}");
            offset += content.Length;
        }

        return header.Append('}').ToString();
    }

    /// <param name="header">Instead of the sound one.</param>
    /// <param name="headerBytes">Instead of the header's length.</param>
    public byte[] Build(string? header = null, ulong? headerBytes = null)
    {
        var text = Encoding.UTF8.GetBytes(header ?? Header());
        using var file = new MemoryStream();
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, headerBytes ?? (ulong)text.Length);
        file.Write(length);
        file.Write(text);
        foreach (var tensor in _tensors)
            file.Write(tensor.Content);
        return file.ToArray();
    }
}
