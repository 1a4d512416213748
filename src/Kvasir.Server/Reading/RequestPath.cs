using System.Globalization;

namespace Kvasir.Server.Reading;

/// <summary>Where in a request a value stands, as messages[2].content[0].type; spelled only when somebody asks.</summary>
internal sealed class RequestPath
{
    public static readonly RequestPath Root = new(null, "", -1);
    private readonly RequestPath? _parent;
    private readonly string _name;
    private readonly int _index;

    private RequestPath(RequestPath? parent, string name, int index) => (_parent, _name, _index) = (parent, name, index);

    public RequestPath Member(string name) => new(this, name, -1);

    public RequestPath Item(int index) => new(this, "", index);

    public override string ToString()
    {
        if (_parent is null)
            return "";
        var before = _parent.ToString();
        return _index >= 0 ? string.Create(CultureInfo.InvariantCulture, $"{before}[{_index}]") : before.Length == 0 ? _name : $"{before}.{_name}";
    }
}
